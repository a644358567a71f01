// Starts `thnks-hubspot demo` with a PostgreSQL and a Redis of its own, reads the addresses that it prints, and does what
// every test of a live portal begins with.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const START_LIMIT_MS = 60_000
export const BACKFILL_LIMIT_MS = 240_000
const services = fileURLToPath(new URL('../../script/services', import.meta.url))
const run = promisify(execFile)

/** Servers that end with this process, as an environment and a way to stop them before that. */
async function startServices() {
  const folder = await mkdtemp(join(tmpdir(), 'thnks-browser.'))
  const { stdout } = await run(services, ['start', folder, '--for', `${process.pid}`])
  const exports = [...stdout.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value])
  return { environment: Object.fromEntries(exports), stop: () => run(services, ['stop', folder, '--remove']) }
}

/**
 * Starts the demo of the binary in THNKS_HUBSPOT with these arguments.
 * @returns {Promise<{start: string, control: string, lines: string[], eventually: Function, stop: () => Promise<number | null>}>}
 *   the first page, the sandbox's control API, everything printed so far, a patient look, and an orderly stop (SIGTERM)
 */
export async function startDemo(...options) {
  const binary = process.env.THNKS_HUBSPOT
  if (!binary) throw new Error('THNKS_HUBSPOT is not set: run this through script/test browser')
  const servers = await startServices()
  const child = spawn(binary, ['demo', ...options], { env: { ...process.env, ...servers.environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines = []
  const exited = new Promise(resolve => child.once('exit', resolve))
  const stop = async () => {
    child.kill('SIGTERM')
    const code = await exited
    await servers.stop()
    return code
  }
  // A test run that dies must not leave the demo behind.
  process.once('exit', () => child.kill('SIGKILL'))

  /** Looks again until `probe` gives something else than undefined; fails with `what` when it takes too long. */
  const eventually = async (page, what, limitMs, probe) => {
    const end = performance.now() + limitMs
    for (;;) {
      const found = await probe()
      if (found !== undefined) return found
      if (performance.now() > end) throw new Error(`${what}: not within ${limitMs / 1000} s\n${lines.slice(-30).join('\n')}`)
      await page.waitForTimeout(100)
    }
  }

  const found = new Promise((resolve, reject) => {
    const addresses = {}
    const read = line => {
      lines.push(line)
      addresses.start ??= line.match(/^\s*Open\s+(https?:\/\/localhost:\d+\S*)/)?.[1]
      addresses.control ??= line.match(/Sandbox control:?\s+(https?:\/\/\S+)/)?.[1]
      if (addresses.start && addresses.control) resolve(addresses)
    }
    createInterface(child.stdout).on('line', read)
    createInterface(child.stderr).on('line', line => lines.push(line))
    exited.then(code => reject(new Error(`the demo ended with ${code}:\n${lines.join('\n')}`)))
    setTimeout(() => reject(new Error(`the demo printed no address:\n${lines.join('\n')}`)), START_LIMIT_MS).unref()
  })
  try {
    return { ...(await found), lines, eventually, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** JSON with the page's own session. */
export async function readJson(page, path) {
  const response = await page.request.get(new URL(path, page.url()).href)
  assert.equal(response.status(), 200, path)
  return response.json()
}

/**
 * Installs the demo's portal and waits until its history is there.
 * @returns {Promise<number>} the portal, whose dashboard the page shows
 */
export async function connect(page, demo) {
  await page.goto(demo.start)
  await page.getByRole('link', { name: 'Install' }).click()
  await page.getByRole('button', { name: 'Connect app' }).click()
  await page.waitForURL(/\/portals\/\d+/)
  const hub = Number(new URL(page.url()).pathname.split('/')[2])
  await demo.eventually(page, 'the end of the backfill', BACKFILL_LIMIT_MS, async () => {
    const status = await readJson(page, `/portals/${hub}/status.json`)
    return (status.state === 'active' && status.current_run === null) || undefined
  })
  await page.goto(new URL(`/portals/${hub}`, page.url()).href)
  return hub
}
