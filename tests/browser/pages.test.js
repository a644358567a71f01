// Every page in every state (the samples that the Rust tests render), at both widths, light and dark.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { accessibilityFindings, DESKTOP, drawn, launch, NARROW, overflowsSideways, watchedPage, withAxe } from './browser.js'
import { sampleNames, serveSamples } from './samples.js'

const names = await sampleNames()
const hostile = names.filter(name => /hostile/.test(name))

let browser, samples

before(async () => {
  samples = await serveSamples()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await samples?.stop()
})

const context = viewport => browser.newContext({ viewport, reducedMotion: 'reduce', locale: 'en-US' })

/** What must not be in any page: scripts, handlers and addresses that only a text from outside could have brought in. */
function intruders() {
  const own = address => new URL(address, document.baseURI).pathname.startsWith('/static/')
  const found = []
  for (const element of document.querySelectorAll('*')) {
    const name = element.localName
    if (['iframe', 'object', 'embed', 'base', 'style', 'math', 'textarea', 'plaintext'].includes(name) && !element.closest('form')) found.push(`<${name}>`)
    if (name === 'script' && !own(element.getAttribute('src') ?? '')) found.push('<script> that is not ours')
    if (name === 'img' && !own(element.getAttribute('src') ?? '')) found.push('<img> that is not ours')
    for (const { name: attribute, value } of element.attributes) {
      if (attribute.startsWith('on')) found.push(`<${name} ${attribute}>`)
      if (['href', 'action', 'formaction', 'src'].includes(attribute) && /^\s*(javascript|data|vbscript):/i.test(value)) found.push(`<${name} ${attribute}="${value}">`)
    }
  }
  return found
}

/** Whether each thing that can be used by keyboard shows that it has the focus. */
function unseenFocus() {
  const look = element => {
    const { outlineStyle, outlineWidth, boxShadow, top } = getComputedStyle(element)
    return JSON.stringify([outlineStyle === 'none' ? '0px' : outlineWidth, boxShadow, top])
  }
  /** Whether nothing around it cuts its outline off: three sides must be seen. */
  const isWhole = element => {
    const { outlineOffset, outlineWidth, outlineStyle } = getComputedStyle(element)
    if (outlineStyle === 'none') return true
    const out = parseFloat(outlineOffset) + parseFloat(outlineWidth) / 2
    const { left, right, top, bottom } = element.getBoundingClientRect()
    const sides = { left: left - out, top: top - out, right: right + out, bottom: bottom + out }
    const hidden = new Set()
    for (let box = element.parentElement; box && box !== document.body; box = box.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(box)
      const edge = box.getBoundingClientRect()
      if (overflowX !== 'visible') {
        if (sides.left < edge.left) hidden.add('left')
        if (sides.right > edge.right) hidden.add('right')
      }
      if (overflowY !== 'visible') {
        if (sides.top < edge.top) hidden.add('top')
        if (sides.bottom > edge.bottom) hidden.add('bottom')
      }
    }
    return hidden.size <= 1
  }
  const around = element => [element, element.parentElement, element.closest('label') ?? element.parentElement]
  const usable = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]'
  const unseen = []
  for (const element of document.querySelectorAll(usable)) {
    if (!element.checkVisibility() || element.disabled) continue
    const name = element.outerHTML.slice(0, 90)
    if (element.tabIndex > 0) unseen.push(`order of its own: ${name}`)
    if (element.tabIndex < 0) {
      if (!element.matches('main, .chart')) unseen.push(`not by keyboard: ${name}`)
      continue
    }
    document.activeElement?.blur()
    const before = around(element).map(look)
    element.focus({ focusVisible: true })
    if (document.activeElement !== element) unseen.push(`takes no focus: ${name}`)
    else if (around(element).map(look).every((now, at) => now === before[at])) unseen.push(`focus unseen: ${name}`)
    else if (!isWhole(element)) unseen.push(`focus cut off: ${name}`)
  }
  document.activeElement?.blur()
  return unseen
}

/** What the frame of the page lacks. */
async function structure(page) {
  const found = []
  const headings = await page.locator('h1').count()
  if (headings !== 1) found.push(`${headings} headings of the first level`)
  if (!/\S.* · Thnks for HubSpot$/.test(await page.title())) found.push(`title “${await page.title()}”`)
  return found
}

describe('every page in every state', { concurrency: 2 }, () => {
  for (const [width, viewport] of [['desktop', DESKTOP], ['phone', NARROW]]) {
    test(`is sound on a ${width}, light and dark: ${names.length} pages`, async () => {
      const looked = await context(viewport)
      await withAxe(looked)
      const { page, complaints } = await watchedPage(looked)
      const findings = []
      for (const name of names) {
        await page.emulateMedia({ colorScheme: 'light' })
        await page.goto(samples.address(name))
        // Dark differs in its colours alone: what does not depend on them is looked at once.
        const found = [...(await structure(page)), ...(await page.evaluate(intruders)), ...(await page.evaluate(unseenFocus))]
        findings.push(...found.map(finding => `${name}, ${width}: ${finding}`))
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme })
          await drawn(page)
          const where = `${name}, ${width}, ${colorScheme}`
          findings.push(...(await accessibilityFindings(page, { onlyColours: colorScheme === 'dark' })).map(finding => `${where}: ${finding}`))
          if (await overflowsSideways(page)) findings.push(`${where}: wider than the window`)
        }
      }
      if (findings.length + complaints.length) assert.fail([...findings, ...complaints].join('\n'))
    })
  }
})

test(`texts from outside stay texts, even where no policy forbids scripts: ${hostile.length} pages`, async () => {
  assert.ok(hostile.length >= 4, `pages with hostile texts: ${hostile}`)
  const { page, complaints } = await watchedPage(await context(DESKTOP))
  page.on('dialog', dialog => {
    complaints.push(`${page.url()}: a script of the texts ran`)
    dialog.dismiss()
  })
  for (const name of hostile) {
    await page.goto(`${samples.address(name)}?free`)
    await drawn(page)
    // Handlers that wait for a pointer or the focus.
    await page.evaluate(() => {
      for (const element of document.querySelectorAll('main *')) {
        for (const kind of ['mouseover', 'mouseenter', 'focus', 'pointerover']) element.dispatchEvent(new Event(kind, { bubbles: true }))
      }
    })
    assert.deepEqual(await page.evaluate(intruders), [], name)
    const words = await page.locator('body').textContent()
    assert.ok(words.includes('<script>') && words.includes('onerror='), `${name} shows the texts as they are`)
  }
  assert.deepEqual(complaints, [])
})

test('Tab goes through a page from its beginning to its end, and back', async () => {
  const { page } = await watchedPage(await context(DESKTOP))
  for (const name of ['dashboard-active', 'gifts', 'trace-to-choose'].filter(name => names.includes(name))) {
    await page.goto(samples.address(name))
    const count = await page.evaluate(() => {
      const usable = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter(
        element => element.checkVisibility() && !element.disabled,
      )
      // One stop for the buttons of a choice.
      const stops = usable.filter(element => element.type !== 'radio' || element.checked)
      for (const [at, stop] of stops.entries()) stop.dataset.stop = at
      return stops.length
    })
    const stop = () => page.evaluate(() => document.activeElement?.dataset.stop)
    const seen = []
    // The parts of a date are stops of their own.
    for (let presses = 0; presses < 4 * count && seen.at(-1) !== `${count - 1}`; presses += 1) {
      await page.keyboard.press('Tab')
      const now = await stop()
      if (now !== seen.at(-1)) seen.push(now)
    }
    assert.deepEqual(seen, Array.from({ length: count }, (_, at) => `${at}`), name)
    for (let presses = 0; presses < 3; presses += 1) await page.keyboard.press('Shift+Tab')
    assert.equal(await stop(), `${count - 4}`, `${name}, back`)
  }
})
