// The pages of a portal as an admin walks them: from each number to the gifts behind it, through the list to one gift, and to
// every other page. Everything also by keyboard, and without JavaScript.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { DESKTOP, inspect, launch, watchedPage } from './browser.js'
import { shownNumber } from './dashboard.js'
import { connect, readJson, startDemo } from './demo.js'

// Enough for several pages of the list, and quick to bring in.
const GIFTS = 1_500

/** Pages below the portal that are looked at. */
const PATHS = [
  { name: 'reports', path: '/reports' },
  { name: 'report-sent-per-month', path: '/reports/sent-per-month' },
  { name: 'report-redemption-by-type', path: '/reports/redemption-by-type' },
  { name: 'report-top-senders', path: '/reports/top-senders' },
  { name: 'report-sent-per-stage', path: '/reports/sent-per-stage' },
  { name: 'report-value-by-deal-size', path: '/reports/value-by-deal-size' },
  { name: 'report-time-to-open', path: '/reports/time-to-open' },
  { name: 'report-refunds-expected', path: '/reports/refunds-expected' },
  { name: 'runs', path: '/runs' },
  { name: 'orphans', path: '/orphans' },
  { name: 'failures', path: '/failures' },
  { name: 'audit', path: '/audit' },
  { name: 'settings', path: '/settings' },
  { name: 'setup', path: '/settings/setup' },
  { name: 'members', path: '/settings/members' },
  { name: 'notifications', path: '/settings/notifications' },
  { name: 'disconnect', path: '/disconnect' },
]

let demo, browser, context, page, complaints, hub

before(async () => {
  demo = await startDemo('--transactions', `${GIFTS}`)
  browser = await launch()
  context = await browser.newContext({ viewport: DESKTOP, colorScheme: 'light', reducedMotion: 'reduce', locale: 'en-US', acceptDownloads: true })
  ;({ page, complaints } = await watchedPage(context))
  hub = await connect(page, demo)
})

after(async () => {
  await browser?.close()
  await demo?.stop()
})

const address = path => new URL(`/portals/${hub}${path}`, page.url()).href
const statistics = query => readJson(page, `/portals/${hub}/statistics.json${query}`)

/** The number in the list's sentence, `1,234 gifts of these filters.` */
async function listed(shown = page) {
  const words = await shown.locator('.heading__reason').innerText()
  assert.match(words, /^(More than )?[\d,]+ gifts?( of these filters)?\.$/)
  return shownNumber(words)
}

const rows = shown => shown.locator('table.gifts tbody tr')
const recipients = (shown = page) => rows(shown).locator('.listing__who a').evaluateAll(links => links.map(link => link.getAttribute('href')))

/** Follows the link and back again. @returns {Promise<number>} how many gifts are behind it */
async function behind(link) {
  await link.click()
  await page.waitForURL(/\/thnks(\?|$)/)
  const count = await listed()
  await page.goBack()
  return count
}

/** The records of a CSV file, RFC 4180. */
function parse(text) {
  const records = [[]]
  const cells = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|$)/g
  for (let match = cells.exec(text); match && (match[0] || match.index < text.length); match = cells.exec(text)) {
    const [, cell, end] = match
    records.at(-1).push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)
    if (end !== ',' && cells.lastIndex < text.length) records.push([])
    if (cells.lastIndex >= text.length) break
  }
  return records
}

/** Presses Tab until the element has the focus. */
async function tabTo(selector) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(selector => document.activeElement?.matches(selector), selector)) return
  }
  assert.fail(`Tab does not lead to ${selector}`)
}

test('each number of each range is the count of the gifts behind it', async () => {
  const labels = await page.getByRole('navigation', { name: 'Days shown' }).getByRole('link').allInnerTexts()
  assert.equal(labels.length, 5, `${labels}`)
  let before = -1
  for (const label of labels) {
    await page.getByRole('navigation', { name: 'Days shown' }).getByRole('link', { name: label, exact: true }).click()
    await page.locator('.range a[aria-current=page]', { hasText: label }).waitFor()
    const expected = await statistics(new URL(page.url()).search)
    assert.ok(expected.total_sent >= before, `${label} holds the days of the range before`)
    before = expected.total_sent
    const total = page.getByRole('region', { name: 'Total sent', exact: true })
    assert.equal(shownNumber(await total.locator('.stat__value').innerText()), expected.total_sent, label)
    assert.equal(await behind(total.getByRole('link')), expected.total_sent, label)
  }
  assert.ok(before > 1_000, `all that was sent, not ${before}`)
  await page.goto(address(''))
})

test('days of one’s own choice are in the address, and every link keeps to them', async () => {
  const day = days => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
  await page.getByText('Other days').click()
  await page.getByLabel('From').fill(day(200))
  await page.getByLabel('to', { exact: true }).fill(day(20))
  await page.getByRole('button', { name: 'Show' }).click()
  await page.waitForURL(url => url.searchParams.get('from') === day(200) && url.searchParams.get('to') === day(20))
  await inspect(page, 'dashboard-days')
  const expected = await statistics(new URL(page.url()).search)
  assert.ok(expected.total_sent > 100, `${expected.total_sent} in half a year`)

  const steps = page.locator('.funnel__step')
  assert.equal(await steps.count(), 4)
  const shown = []
  for (let at = 0; at < 4; at += 1) {
    // The share stands in the same element, after the count.
    const count = shownNumber(await steps.nth(at).locator('.funnel__count').innerText())
    assert.equal(await behind(steps.nth(at).getByRole('link')), count, `step ${at} of the funnel`)
    shown.push(count)
  }
  assert.equal(shown[0], expected.total_sent)
  assert.deepEqual(shown, shown.toSorted((a, b) => b - a), 'each step is part of the one before')
  assert.ok(Math.abs(shown[3] / shown[0] - expected.redemption_rate) < 0.0001)

  const rate = page.getByRole('region', { name: 'Redemption rate', exact: true })
  assert.equal(await behind(rate.getByRole('link')), shown[3], 'those behind the rate')
  const value = page.getByRole('region', { name: 'Total value', exact: true })
  assert.equal(await behind(value.getByRole('link')), expected.total_sent, 'those behind the value')
  const types = page.getByRole('region', { name: 'Top types', exact: true }).locator('.type')
  for (const [at, { type, count }] of expected.top_types.slice(0, 3).entries()) {
    assert.ok((await types.nth(at).innerText()).includes(type))
    assert.equal(await behind(types.nth(at).getByRole('link')), count, type)
  }
})

test('a month of the chart leads to its gifts', async () => {
  await page.goto(address(''))
  await page.getByText('Numbers as a table').click()
  const months = page.locator('#chart-numbers tbody tr')
  assert.equal(await months.count(), 12)
  const sent = shownNumber(await months.nth(8).locator('td').first().innerText())
  assert.equal(await behind(months.nth(8).getByRole('link')), sent)
})

test('the list is searched, filtered, ordered and cleared', async () => {
  await page.goto(address('/thnks'))
  assert.equal(await listed(), GIFTS)
  await inspect(page, 'gifts')
  const name = await rows(page).first().locator('.listing__who a').innerText()
  await page.getByRole('searchbox').fill(name.toUpperCase())
  await page.getByRole('button', { name: 'Search' }).click()
  await page.waitForURL(url => url.searchParams.has('q'))
  const found = await rows(page).allInnerTexts()
  assert.ok(found.length > 0 && found.length < 50, `${found.length} gifts of ${name}`)
  for (const row of found) assert.ok(row.toLowerCase().includes(name.toLowerCase().split(' ')[0]), row)

  await page.goto(address('/thnks'))
  await page.getByLabel('Status').selectOption('redeemed')
  await page.getByLabel('Order').selectOption('highest')
  await page.getByText('More filters').click()
  await page.getByLabel('Contact').selectOption('linked')
  await page.getByLabel('Value from').fill('10')
  await page.getByLabel('Currency').fill('USD')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.waitForURL(url => url.searchParams.get('status') === 'redeemed')
  const few = await listed()
  assert.ok(few > 0 && few < GIFTS, `${few} of all`)
  const values = await rows(page).locator('.gifts__value').evaluateAll(cells => cells.map(cell => Number(cell.textContent.replace(/[^\d.]/g, ''))))
  assert.deepEqual(values, values.toSorted((a, b) => b - a))
  assert.ok(values.every(value => value >= 10), `${values}`)
  for (const pills of await rows(page).locator('.gifts__pill').evaluateAll(cells => cells.map(cell => cell.textContent))) {
    assert.match(pills, /Redeemed|Linked/)
  }
  await inspect(page, 'gifts-filtered')
  await page.getByRole('link', { name: /^At least 10/ }).click()
  assert.ok((await listed()) >= few, 'without one filter there are more')
  await page.getByRole('link', { name: 'Clear all' }).click()
  assert.equal(await listed(), GIFTS)
})

test('pages follow each other, forward to the end and back', async () => {
  await page.goto(address('/thnks?contact=orphan'))
  const count = await listed()
  assert.ok(count > 50, `${count} orphans`)
  const pages = [await recipients()]
  for (;;) {
    const next = page.getByRole('link', { name: 'Next', exact: true })
    if (!(await next.count())) break
    await next.click()
    await page.waitForURL(/after=/)
    pages.push(await recipients())
    assert.ok(pages.length < 100, 'the list ends')
  }
  const all = pages.flat()
  assert.equal(all.length, count)
  assert.equal(new Set(all).size, count, 'each gift once')
  for (const expected of pages.slice(0, -1).reverse()) {
    await page.getByRole('link', { name: 'Previous', exact: true }).click()
    await page.waitForURL(url => url.searchParams.has('before') || !url.searchParams.has('after'))
    await page.locator(`.listing__who a[href="${expected[0]}"]`).waitFor()
    assert.deepEqual(await recipients(), expected)
  }
})

test('the file holds the gifts of the list, and nothing that a spreadsheet would run', async () => {
  await page.goto(address('/thnks?contact=orphan'))
  const count = await listed()
  const coming = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Export CSV' }).click()
  const download = await coming
  assert.match(download.suggestedFilename(), /^thnks-\d+-\d{4}-\d\d-\d\d\.csv$/)
  const text = await readFile(await download.path(), 'utf8')
  const [head, ...records] = parse(text.replace(/^\uFEFF/, ''))
  assert.equal(head[0], 'Transaction ID')
  assert.ok(head.includes('Recipient Email'), head.join())
  assert.equal(records.length, count)
  for (const record of records) {
    assert.equal(record.length, head.length)
    for (const cell of record) assert.doesNotMatch(cell, /^\s*[=+\-@]/)
  }
})

test('one gift tells its story, and leads to HubSpot', async () => {
  await page.goto(address('/thnks?contact=linked&status=redeemed'))
  await rows(page).first().locator('.listing__who a').click()
  await page.waitForURL(/\/thnks\/[^/?]+$/)
  await inspect(page, 'gift-story')
  const happened = await page.getByRole('region', { name: 'What happened' }).getByRole('listitem').allInnerTexts()
  assert.ok(happened.length >= 2 && happened.some(words => words.startsWith('Redeemed')), happened.join('; '))
  const attempts = page.getByRole('region', { name: 'Brought to HubSpot' }).getByRole('listitem')
  assert.ok((await attempts.count()) >= 1)
  const links = await page.getByRole('region', { name: 'In HubSpot' }).getByRole('link').evaluateAll(links => links.map(link => link.href))
  assert.ok(links.length >= 2, 'the record and the contact at least')
  for (const link of links) assert.match(link, new RegExp(`^https?://[^/]+/contacts/${hub}/record/`))
  await attempts.first().getByRole('link').click()
  await page.waitForURL(/\/runs\/[0-9a-f-]+$/)
})

test('the list is used by keyboard alone', async () => {
  await page.goto(address('/thnks'))
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip')
  await page.keyboard.press('Enter')
  await tabTo('#q')
  await page.keyboard.type('coffee')
  await tabTo('#status')
  // Letters choose among the options, as in any list.
  await page.keyboard.type('Opened')
  await tabTo('.finder__more summary')
  await page.keyboard.press('Enter')
  await tabTo('#contact')
  await page.keyboard.type('Link')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Search')
  await page.keyboard.press('Enter')
  await page.waitForURL(url => url.searchParams.get('status') === 'opened' && url.searchParams.get('contact') === 'linked')
  await tabTo('.chip')
  await page.keyboard.press('Enter')
  await page.waitForURL(url => !url.searchParams.get('q'))
  await tabTo('.listing__who a')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/thnks\/[^/?]+$/)
})

test('all of it works without JavaScript', async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState(), viewport: DESKTOP })
  try {
    const still = await plain.newPage()
    await still.goto(address(''))
    await still.getByRole('link', { name: '90 days' }).click()
    await still.waitForURL(/from=/)
    const total = still.getByRole('region', { name: 'Total sent', exact: true })
    const sent = shownNumber(await total.locator('.stat__value').innerText())
    await total.getByRole('link').click()
    await still.waitForURL(/\/thnks\?/)
    assert.equal(await listed(still), sent)
    const first = await recipients(still)
    await still.getByRole('link', { name: 'Next', exact: true }).click()
    await still.waitForURL(/after=/)
    assert.ok((await recipients(still)).every(gift => !first.includes(gift)))
    // The days are among the further filters, which are open therefore.
    await still.getByLabel('Contact').selectOption('orphan')
    await still.getByRole('button', { name: 'Search' }).click()
    await still.waitForURL(/contact=orphan/)
    assert.ok((await listed(still)) < sent)
    await rows(still).first().locator('.listing__who a').click()
    await still.waitForURL(/\/thnks\/[^/?]+$/)
    assert.ok((await still.getByRole('region', { name: 'What happened' }).getByRole('listitem').count()) >= 1)
  } finally {
    await plain.close()
  }
})

for (const { name, path } of PATHS) {
  test(`the page of ${name} is sound`, async () => {
    await page.goto(address(path))
    await inspect(page, name)
  })
}

test('no page complained', () => assert.deepEqual(complaints, []))
