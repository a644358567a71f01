// Serves the pages that the Rust test of the samples rendered, as the service would: same paths of static files, same CSP.
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
/** Where the pages are; script/test renders them into a folder of its own. */
const folder = process.env.THNKS_PAGES || fileURLToPath(new URL('target/pages', root))

const KINDS = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The policy of every answer, from the place that sets it. */
async function policy() {
  const source = await readFile(new URL('crates/web/src/answer.rs', root), 'utf8')
  const [, words] = source.match(/CONTENT_SECURITY_POLICY: &str =\s*"([^"]+)"/) ?? []
  if (!words) throw new Error('answer.rs names no CONTENT_SECURITY_POLICY')
  return words
}

/** The names of all sample pages. */
export async function sampleNames() {
  const files = await readdir(folder).catch(() => [])
  const names = files.filter(file => file.endsWith('.html')).map(file => file.slice(0, -'.html'.length))
  if (!names.length) throw new Error(`no pages in ${folder}: cargo test --package web --lib samples`)
  return names.sort()
}

/**
 * Starts the server on a port of its own. A page asked for with `?free` comes without its policy, so that a script that
 * got into it would run.
 */
export async function serveSamples() {
  const csp = await policy()
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    const kind = KINDS[extname(pathname)]
    if (pathname.endsWith('/events')) {
      // The stream of a page that never changes.
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('retry: 600000\n\n')
      return
    }
    try {
      if (!kind || !/^\/(static\/)?[\w.-]+$/.test(pathname)) throw new Error('no sample')
      const body = await readFile(folder + pathname)
      const headers = { 'content-type': kind, 'x-content-type-options': 'nosniff' }
      if (!searchParams.has('free')) headers['content-security-policy'] = csp
      response.writeHead(200, headers).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = name => `http://127.0.0.1:${server.address().port}/${name}.html`
  const stop = () => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  }
  return { address, stop }
}
