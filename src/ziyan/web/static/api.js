// One call for one picture, and what came back. XMLHttpRequest, because fetch does not tell how far an upload is.
const SECONDS = 100

// What is called: {api, model}.
export function pathOf({ api, model }) {
  if (api === 'ocr') return '/ocr'
  return model ? `/v1/ocr?model=${model}` : '/v1/ocr'
}

// what: {api, model, appcode, blob | url, blocks}. Gives {request, answer, reading | refusal}; rejects only when aborted.
export function call(what, { onUpload, onSent, signal }) {
  const request = describe(what)
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    const started = performance.now()
    const broken = (key) => resolve({ request, answer: null, refusal: { key, id: '' }, seconds: 0 })
    xhr.open('POST', request.path)
    for (const [name, value] of request.headers) xhr.setRequestHeader(name, value)
    xhr.timeout = SECONDS * 1000
    xhr.upload.onprogress = (event) => event.lengthComputable && onUpload(event.loaded / event.total)
    xhr.upload.onload = onSent
    xhr.onload = () => {
      const answer = { status: xhr.status, reason: xhr.statusText, headers: headersOf(xhr), body: xhr.responseText }
      resolve({ request, answer, seconds: (performance.now() - started) / 1000, ...understood(what, answer) })
    }
    xhr.onerror = () => broken('network')
    xhr.ontimeout = () => broken('timeout')
    xhr.onabort = () => reject(new DOMException('aborted', 'AbortError'))
    signal.addEventListener('abort', () => xhr.abort(), { once: true })
    request.body().then((body) => signal.aborted || xhr.send(body))
  })
}

function describe({ api, model, appcode, blob, url, blocks }) {
  // Header values are bytes: what is no such byte would throw, and is no AppCode either.
  const headers = [['Authorization', `APPCODE ${appcode.replace(/[^\x21-\x7e]/g, '?')}`]]
  const path = pathOf({ api, model })
  if (api === 'ocr') {
    headers.push(['Content-Type', 'application/x-www-form-urlencoded'])
    const fields = blocks ? [['ver', '1']] : []
    const shown = blob ? { field: 'img', size: blob.size } : { field: 'url', value: url }
    const body = async () => new URLSearchParams([[shown.field, blob ? await base64(blob) : url], ...fields])
    return { path, headers, shown: { ...shown, fields }, body }
  }
  headers.push(['Accept', 'application/json'], ['Content-Type', blob ? blob.type || 'application/octet-stream' : 'application/json'])
  const body = async () => blob ?? JSON.stringify({ url })
  return { path, headers, shown: blob ? { size: blob.size } : { value: url }, body }
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1))
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
}

function headersOf(xhr) {
  const lines = xhr.getAllResponseHeaders().split('\r\n').filter(Boolean)
  return lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
}

export function header(answer, name) {
  return answer.headers.find(([given]) => given.toLowerCase() === name)?.[1] ?? ''
}

function understood(what, answer) {
  const said = parsed(answer.body)
  if (what.api === 'v1') return answer.status === 200 && said ? { reading: fromNative(said) } : { refusal: problem(said, answer) }
  if (answer.status === 200 && said) return { reading: fromMarketplace(said.data) }
  const id = header(answer, 'x-ca-request-id')
  if (answer.status === 666 && said) return { refusal: { key: said.msg, raw: `666 ${said.msg}`, id } }
  const key = header(answer, 'x-ca-error-code')
  return { refusal: { key, raw: `${answer.status} ${key} ${header(answer, 'x-ca-error-message')}`.trim(), id } }
}

function problem(said, answer) {
  const id = said?.request_id || header(answer, 'x-request-id') || header(answer, 'x-ca-request-id')
  const key = said?.code || header(answer, 'x-ca-error-code')
  const raw = `${answer.status} ${key} ${said?.detail || header(answer, 'x-ca-error-message')}`.trim()
  return { key, raw, id, what: said?.title, todo: said?.detail }
}

function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function fromNative(page) {
  const lines = page.blocks.flatMap((block, index) => block.lines.map((line) => ({ ...line, block: index })))
  return { width: page.width, height: page.height, lines, placed: true }
}

function fromMarketplace(data) {
  const texts = typeof data === 'string' ? (data ? [data] : []) : data.map((block) => block.words)
  return { width: 0, height: 0, lines: texts.map((text) => ({ text })), placed: false, whole: typeof data === 'string' }
}

// Lines joined as /ocr joins them: nothing between them, but one space where Latin would meet Latin.
const LATIN = '[0-9A-Za-z\u00c0-\u024f]'
const LATIN_END = new RegExp(`${LATIN}$`)
const LATIN_START = new RegExp(`^${LATIN}`)
export function spaceBetween(before, after) {
  return LATIN_END.test(before) && LATIN_START.test(after) ? ' ' : ''
}
