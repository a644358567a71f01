// Starts `thnks-hubspot demo` and reads the addresses that it prints.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const START_LIMIT_MS = 60_000

/**
 * Starts the demo of the binary in THNKS_HUBSPOT, against the servers that the environment names.
 * @returns {Promise<{start: string, control: string, lines: string[], stop: () => Promise<number | null>}>}
 *   the first page, the sandbox's control API, everything printed so far, and an orderly stop (SIGTERM)
 */
export async function startDemo() {
  const binary = process.env.THNKS_HUBSPOT
  if (!binary) throw new Error('THNKS_HUBSPOT is not set: run this through script/test browser')
  const child = spawn(binary, ['demo'], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines = []
  const exited = new Promise(resolve => child.once('exit', resolve))
  const stop = async () => {
    child.kill('SIGTERM')
    return exited
  }
  // A test run that dies must not leave the demo behind.
  process.once('exit', () => child.kill('SIGKILL'))

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
    return { ...(await found), lines, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
