// Chromium, and what every page is held to: no console error, no CSP violation, nothing that axe-core finds.
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

export const DESKTOP = { width: 1280, height: 900 }
export const PHONE = { width: 390, height: 844 }
/** The narrowest window that the pages are made for. */
export const NARROW = { width: 360, height: 780 }

const pictures = new URL('../../docs/images/', import.meta.url)
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Starts the Chromium of CHROMIUM (default: Debian's). It calls nobody by itself. */
export function launch({ args = [] } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...args,
    ],
  })
}

/** Has axe-core in every page of the context from the beginning, where many pages are looked at. */
export function withAxe(context) {
  return context.addInitScript(axeSource)
}

/**
 * Opens a page that notes everything that should not happen.
 * @returns {Promise<{page: import('playwright-core').Page, complaints: string[]}>}
 */
export async function watchedPage(context) {
  const page = await context.newPage()
  const complaints = []
  page.on('console', message => {
    // Chromium reports CSP violations here too, as errors.
    if (message.type() === 'error') complaints.push(`${page.url()}: console: ${message.text()}`)
  })
  page.on('pageerror', error => complaints.push(`${page.url()}: uncaught: ${error.message}`))
  page.on('response', response => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`)
  })
  return { page, complaints }
}

/** The rules of WCAG 2.2 AA, and axe-core's best practices. */
const ALL_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const RULES_OF_COLOUR = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] }

/**
 * What axe-core finds wrong with the page as it is shown now, as readable lines.
 * `onlyColours` is for a page that was looked at in its other colours already: nothing else differs between light and dark.
 */
export async function accessibilityFindings(page, { onlyColours = false } = {}) {
  // Through the debugger protocol, which the page's CSP does not concern.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeSource)
  const { violations } = await page.evaluate(
    // Without `preload`, which would load every style sheet once more for rules that are not among these.
    runOnly => globalThis.axe.run(document, { runOnly, resultTypes: ['violations'], preload: false }),
    onlyColours ? RULES_OF_COLOUR : ALL_RULES,
  )
  return violations.flatMap(({ id, help, nodes }) => nodes.map(node => `${id}: ${help}: ${node.target.join(' ')}`))
}

/** Waits one frame, so that scripts which follow the width or the colours have drawn. */
export function drawn(page) {
  return page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))))
}

/** Whether the page is wider than the window, which on a phone means scrolling sideways. */
export function overflowsSideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
}

/**
 * Holds the page that is shown to the rules at both widths, light and dark. With UPDATE_PICTURES=1 it also takes the pictures
 * of docs/images.
 */
export async function inspect(page, name) {
  const findings = []
  for (const [width, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(viewport)
      await page.emulateMedia({ colorScheme })
      await drawn(page)
      const where = `${name}, ${width}, ${colorScheme}`
      const found = await accessibilityFindings(page, { onlyColours: colorScheme === 'dark' })
      findings.push(...found.map(finding => `${where}: ${finding}`))
      if (await overflowsSideways(page)) findings.push(`${where}: wider than the window`)
      if (process.env.UPDATE_PICTURES) {
        await mkdir(pictures, { recursive: true })
        const file = `${name}-${width}${colorScheme === 'dark' ? '-dark' : ''}.png`
        await page.screenshot({ path: new URL(file, pictures).pathname, fullPage: width === 'desktop' })
      }
    }
  }
  await page.setViewportSize(DESKTOP)
  await page.emulateMedia({ colorScheme: 'light' })
  assert.deepEqual(findings, [])
}
