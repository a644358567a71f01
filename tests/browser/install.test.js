// The main job as an admin sees it: install, watch the history arrive, read the numbers, link orphans.
// UPDATE_PICTURES=1 also writes the screenshots of docs/images.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { DESKTOP, inspect as inspectPage, launch, watchedPage } from './browser.js'
import { expectedSix, readDone, readOrphans, readSix } from './dashboard.js'
import { BACKFILL_LIMIT_MS, readJson, startDemo } from './demo.js'

const RUN_LIMIT_MS = 90_000
// The organization of the demonstration (crates/sandbox/src/config.rs).
const ORGANIZATION = 'org_7Q2demo'

let demo, browser, context, page, complaints, hub, events

before(async () => {
  demo = await startDemo()
  events = new URL('/webhooks/hubspot', demo.start).href
  browser = await launch()
  context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'light', reducedMotion: 'reduce', locale: 'en-US' })
  ;({ page, complaints } = await watchedPage(context))
})

after(async () => {
  await browser?.close()
  await demo?.stop()
})

const eventually = (what, limitMs, probe) => demo.eventually(page, what, limitMs, probe)
const json = path => readJson(page, path)
const inspect = name => inspectPage(page, name)

/** Lets HubSpot deliver its events there, or nowhere. */
async function tellOf(target) {
  const told = await page.request.post(`${demo.control}/webhooks`, { data: { target_url: target } })
  assert.ok(told.ok(), `${told.status()} ${await told.text()}`)
}

/** Makes contacts of the recipients of so many orphans. */
async function adopt(count) {
  const adopted = await page.request.post(`${demo.control}/portals/${hub}/adopt-orphans`, { data: { count } })
  assert.ok(adopted.ok(), `${adopted.status()} ${await adopted.text()}`)
}

test('an admin installs, watches the backfill, reads the numbers and links orphans', async t => {
  // What follows builds on what went before: after the first failure the rest would only repeat it.
  let broken = false
  const step = (name, body) =>
    t.test(name, { skip: broken && 'an earlier step failed' }, async () => {
      try {
        await body()
      } catch (error) {
        broken = true
        throw error
      }
    })

  await step('the first page offers to install', async () => {
    await page.goto(demo.start)
    await page.getByRole('link', { name: 'Install' }).waitFor()
    await inspect('landing')
    await page.getByRole('link', { name: 'Install' }).click()
  })

  await step("HubSpot's consent leads back to the dashboard", async () => {
    await page.getByRole('button', { name: 'Connect app' }).waitFor()
    await inspect('consent')
    await page.getByRole('button', { name: 'Connect app' }).click()
    await page.waitForURL(/\/portals\/\d+/)
    hub = Number(new URL(page.url()).pathname.split('/')[2])
  })

  await step('the progress counts up without a reload', async () => {
    let loads = 0
    page.on('framenavigated', frame => {
      if (frame === page.mainFrame()) loads += 1
    })
    const seen = new Set()
    await eventually('three different counts on the page', BACKFILL_LIMIT_MS, async () => {
      const done = await readDone(page)
      if (done !== null) {
        assert.ok(done >= Math.max(0, ...seen), `the count fell from ${Math.max(...seen)} to ${done}`)
        seen.add(done)
      }
      return seen.size >= 3 || undefined
    })
    assert.equal(loads, 0, 'the page was loaded again')
    await inspect('progress')

    await eventually('the end of the backfill', BACKFILL_LIMIT_MS, async () => {
      const status = await json(`/portals/${hub}/status.json`)
      return (status.state === 'active' && status.current_run === null) || undefined
    })
    await page.getByRole('progressbar').waitFor({ state: 'detached' })
    assert.equal(loads, 0, 'the page was loaded again')
  })

  await step('the six numbers are those of statistics.json', async () => {
    const statistics = await json(`/portals/${hub}/statistics.json`)
    assert.ok(statistics.total_sent > 0, 'something was sent')
    let shown = await readSix(page)
    // The last live update may be on its way.
    for (let tries = 0; tries < 50 && shown.totalSent !== statistics.total_sent; tries += 1) {
      await page.waitForTimeout(100)
      shown = await readSix(page)
    }
    assert.deepEqual(shown, expectedSix(statistics, shown))
    assert.ok(Object.keys(shown.totalValue).length > 0, 'an amount is shown')
    assert.equal(await readOrphans(page), statistics.orphans)
    await inspect('dashboard')
  })

  await step('the numbers are there without JavaScript', async () => {
    const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() })
    try {
      const still = await plain.newPage()
      await still.goto(page.url())
      const total = await still.getByRole('region', { name: 'Total sent', exact: true }).locator('.stat__value').innerText()
      const { total_sent: expected } = await json(`/portals/${hub}/statistics.json`)
      assert.equal(Number(total.replace(/\D/g, '')), expected)
    } finally {
      await plain.close()
    }
  })

  await step('the button links orphans whose contacts were added', async () => {
    const before = (await json(`/portals/${hub}/status.json`)).orphans
    assert.ok(before > 50, `the demo has orphans to adopt, not ${before}`)
    // HubSpot tells nothing of these: the button is the safety net.
    await tellOf(null)
    await adopt(50)

    // By keyboard, as everything should be.
    await page.reload()
    await page.getByRole('link', { name: 'Re-associate orphans' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/reassociate$/)
    await inspect('reassociate')
    const figure = name => page.locator('.figure', { hasText: name }).locator('.figure__number').innerText()
    assert.equal(Number((await figure('Orphans')).replace(/\D/g, '')), before)
    assert.ok(Number((await figure('Would be linked')).replace(/\D/g, '')) >= 50)
    await page.getByRole('button', { name: 'Re-associate now' }).click()
    await page.waitForURL(/\/portals\/\d+$/)
    const orphans = await eventually('fewer orphans', RUN_LIMIT_MS, async () => {
      const status = await json(`/portals/${hub}/status.json`)
      return status.current_run === null && status.orphans <= before - 50 ? status.orphans : undefined
    })
    await eventually('the number on the page', RUN_LIMIT_MS, async () => (await readOrphans(page)) === orphans || undefined)
  })

  await step('an orphan says why, takes an address, and links itself when the contact appears', async () => {
    await tellOf(events)
    await page.getByRole('link', { name: 'See why' }).click()
    await page.waitForURL(/\/orphans$/)
    await inspect('orphans')
    await page.getByRole('link', { name: /^No such contact/ }).click()
    await page.locator('.listing__who a').first().click()
    await page.waitForURL(/\/thnks\//)
    await inspect('gift')
    await page.getByText(/^No contact in HubSpot has /).waitFor()

    await page.getByLabel('Another address of this person').fill('nobody')
    await page.getByRole('button', { name: 'Look under this address too' }).click()
    await page.getByText('Enter an e-mail address, like sam@client.example.').waitFor()
    await inspect('gift-refused')
    // A browser complains about every 422, this one is wanted.
    assert.ok(complaints.splice(0).every(complaint => complaint.includes('/alias')))
    await page.getByLabel('Another address of this person').fill('pat.doe@elsewhere.example')
    await page.getByRole('button', { name: 'Look under this address too' }).click()
    await page.waitForURL(/\/thnks\/[^/]+$/)
    await eventually('the gift was looked for under both', RUN_LIMIT_MS, async () => {
      await page.reload()
      return (await page.getByText(/No contact in HubSpot has .+ or pat\.doe@elsewhere\.example\./).count()) || undefined
    })
    const contact = await page.request.post(`${demo.control}/portals/${hub}/contacts`, { data: { email: 'Pat.Doe@elsewhere.example' } })
    assert.ok(contact.ok(), `${contact.status()} ${await contact.text()}`)
    await eventually('the gift is linked', RUN_LIMIT_MS, async () => {
      await page.reload()
      return (await page.getByText('Linked to the contact in HubSpot that has pat.doe@elsewhere.example.').count()) || undefined
    })
    await inspect('gift-linked')
  })

  await step('settings say how gifts find their contact', async () => {
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.waitForURL(/\/settings$/)
    await inspect('settings')
    await page.locator('input[name=several][value=nobody]').check()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('status').getByText('Saved').waitFor()
    assert.ok(await page.locator('input[name=several][value=nobody]').isChecked())
    await eventually('the run that follows', RUN_LIMIT_MS, async () => (await json(`/portals/${hub}/status.json`)).current_run === null || undefined)
  })

  await step('what did not get through is named, looked into and given up', async () => {
    const bad = await page.request.post(`${demo.control}/organizations/${ORGANIZATION}/bad-rows`, { data: { count: 6 } })
    assert.ok(bad.ok(), `${bad.status()} ${await bad.text()}`)
    await page.goto(new URL(`/portals/${hub}`, page.url()).href)
    await page.getByRole('button', { name: 'Sync now' }).click()
    await eventually('six failures', RUN_LIMIT_MS, async () => {
      const status = await json(`/portals/${hub}/status.json`)
      return (status.current_run === null && status.failed === 6) || undefined
    })
    await page.goto(new URL(`/portals/${hub}/runs`, page.url()).href)
    await inspect('runs')
    await page.getByRole('link', { name: 'Sync' }).first().click()
    await page.waitForURL(/\/runs\/[0-9a-f-]+$/)
    await inspect('run')
    await page.goto(new URL(`/portals/${hub}/failures`, page.url()).href)
    await inspect('failures')
    await page.goto(new URL(`/portals/${hub}/failures?stage=row`, page.url()).href)
    await inspect('failure-rows')
    await page.goto(new URL(`/portals/${hub}/failures`, page.url()).href)
    await page.getByRole('button', { name: 'Dismiss all' }).first().click()
    await page.waitForURL(/\/failures/)
    assert.ok((await json(`/portals/${hub}/status.json`)).failed < 6)
  })

  await step('a pause holds everything, and resuming lets it go on', async () => {
    await page.goto(new URL(`/portals/${hub}`, page.url()).href)
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('button', { name: 'Resume' }).first().waitFor()
    assert.equal((await json(`/portals/${hub}/status.json`)).state, 'paused')
    await inspect('paused')
    await page.getByRole('button', { name: 'Resume' }).first().click()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    assert.equal((await json(`/portals/${hub}/status.json`)).state, 'active')
  })

  await step('the page for the Thnks key is as careful as the others', async () => {
    await page.goto(new URL(`/portals/${hub}/connect`, page.url()).href)
    await page.getByLabel('Thnks API key', { exact: true }).waitFor()
    await inspect('connect')
  })

  await step('signing out ends the session', async () => {
    const status = new URL(`/portals/${hub}/status.json`, page.url()).href
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(url => !url.pathname.startsWith('/portals'))
    assert.equal((await page.request.get(status)).status(), 401)
  })

  // Also after a failure: what the pages said may be its reason.
  await t.test('no page complained', () => assert.deepEqual(complaints, []))
})
