// What Lighthouse says of the pages of a live portal, in Debian's Chromium: the median of some runs in each category. One under
// the limit is exit code 1, with the audits that cost points.
import lighthouse, { desktopConfig } from 'lighthouse'
import { DESKTOP, launch } from '../browser.js'
import { connect, startDemo } from '../demo.js'

const LIMIT = 95
/** One run says little on a machine that does other things too. */
const RUNS = Number(process.argv[2] ?? 3)
const CATEGORIES = ['performance', 'accessibility', 'best-practices', 'seo']
/** Lighthouse waits for quiet on the network; the stream of events never is. */
const QUIET_LIMIT_MS = 15_000
const GIFTS = 2_000

const port = 20_000 + Math.floor(Math.random() * 20_000)
const demo = await startDemo('--transactions', `${GIFTS}`)
const browser = await launch({ args: [`--remote-debugging-port=${port}`] })
let missed = false
try {
  const context = await browser.newContext({ viewport: DESKTOP })
  const page = await context.newPage()
  const hub = await connect(page, demo)
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  const origin = new URL(page.url()).origin
  await context.close()

  console.log(`${'page'.padEnd(22)}${CATEGORIES.map(name => name.padStart(16)).join('')}${'kB'.padStart(8)}`)
  for (const [name, path, config] of [
    ['dashboard, phone', `/portals/${hub}`],
    ['dashboard, desktop', `/portals/${hub}`, desktopConfig],
    ['list, phone', `/portals/${hub}/thnks`],
    ['first page, phone', '/'],
  ]) {
    const runs = []
    for (let run = 0; run < RUNS; run += 1) {
      const flags = { port, logLevel: 'silent', onlyCategories: CATEGORIES, extraHeaders: { Cookie: cookie }, maxWaitForLoad: QUIET_LIMIT_MS }
      const { lhr } = await lighthouse(`${origin}${path}`, flags, config)
      if (lhr.runtimeError) throw new Error(`${name}: ${lhr.runtimeError.message}`)
      runs.push(lhr)
    }
    const median = CATEGORIES.map(id => {
      const sorted = runs.map(({ categories }) => Math.round(categories[id].score * 100)).toSorted((a, b) => a - b)
      return sorted[Math.floor(sorted.length / 2)]
    })
    const bytes = runs[0].audits['total-byte-weight'].numericValue
    console.log(`${name.padEnd(22)}${median.map(score => `${score}`.padStart(16)).join('')}${(bytes / 1_000).toFixed(1).padStart(8)}`)
    missed ||= median.some(score => score < LIMIT)
    for (const id of CATEGORIES) {
      for (const { id: audit, weight } of runs[0].categories[id].auditRefs) {
        const { score, title, displayValue } = runs[0].audits[audit]
        if (weight > 0 && score !== null && score < 0.9) console.log(`  ${id}: ${title}${displayValue ? ` (${displayValue})` : ''}: ${Math.round(score * 100)}`)
      }
    }
  }
  console.log(missed ? `under ${LIMIT} somewhere` : `at least ${LIMIT} everywhere`)
} finally {
  await browser.close()
  await demo.stop()
}
process.exit(missed ? 1 : 0)
