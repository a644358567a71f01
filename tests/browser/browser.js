// Chromium, and what every page is held to: no console error, no CSP violation, nothing that axe-core finds.
import { createRequire } from 'node:module'
import { readFile } from 'node:fs/promises'
import { chromium } from 'playwright-core'

export const DESKTOP = { width: 1280, height: 900 }
export const PHONE = { width: 390, height: 844 }

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Starts the Chromium of CHROMIUM (default: Debian's). It calls nobody by itself. */
export function launch() {
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
    ],
  })
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

/**
 * What axe-core finds wrong with the page as it is shown now, as readable lines.
 * The rules are those of WCAG 2.2 AA and axe-core's best practices.
 */
export async function accessibilityFindings(page) {
  // Through the debugger protocol, which the page's CSP does not concern.
  await page.evaluate(axeSource)
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      resultTypes: ['violations'],
    }),
  )
  return violations.flatMap(({ id, help, nodes }) => nodes.map(node => `${id}: ${help}: ${node.target.join(' ')}`))
}

/** Whether the page is wider than the window, which on a phone means scrolling sideways. */
export function overflowsSideways(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)
}
