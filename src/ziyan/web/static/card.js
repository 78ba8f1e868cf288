// One picture on the page, from choosing to its text. The sentences are in the page; here they are only filled in.
import { call, header } from './api.js'
import { copy } from './clipboard.js'
import { LANGUAGES } from './code.js'
import { keep, kept } from './kept.js'
import { prepare, PictureError } from './picture.js'
import { hasDoubt, plainText, show } from './reading.js'
import { tell } from './said.js'
import { explain, sentence } from './words.js'

const LIMIT = 1 << 20 // of /ocr; /v1/ocr takes more, but what is small is also sent quickly
const MOST_BYTES = 20_000_000
// A busy service is asked again by itself, each time after a longer wait, but for no longer than somebody would watch.
const TRIES = 5
const LONGEST_WAIT = 30
const BUSY = new Set([429, 503])

export class Card {
  // source: {file} | {url}; settings(): {api, model, appcode, view, dev}; changed(): called after each change of state
  constructor(source, { settings, changed, removed }) {
    Object.assign(this, { source, settings, changed, state: 'waiting', result: null, picture: null })
    this.abort = new AbortController()
    this.name = source.file ? source.name || source.file.name || 'picture' : source.url
    this.element = document.getElementById('card').content.firstElementChild.cloneNode(true)
    this.at('name').textContent = this.name
    this.at('remove').addEventListener('click', () => {
      this.abort.abort()
      if (this.picture?.url) URL.revokeObjectURL(this.picture.url)
      this.element.remove()
      removed(this)
    })
    this.at('retry').addEventListener('click', () => this.retry())
    this.at('copy').addEventListener('click', () => copy(this.text(), copied()))
    this.at('txt').addEventListener('click', () => save(this.text(), 'text/plain', `${stem(this.name)}.txt`))
    this.at('json').addEventListener('click', () => save(this.result.answer.body, 'application/json', `${stem(this.name)}.json`))
    this.setUpCode()
    this.become('waiting', sentence('waiting'))
  }

  at(name) {
    return this.element.querySelector(`[data-${name}]`)
  }

  become(state, text, progress = null) {
    this.state = state
    this.element.dataset.now = state
    this.at('state-text').textContent = text
    const bar = this.at('progress')
    bar.hidden = state !== 'busy'
    if (progress === null) bar.removeAttribute('value')
    else bar.value = progress
    this.element.setAttribute('aria-busy', String(state === 'busy'))
    this.changed()
  }

  async run() {
    this.at('trouble').hidden = true
    try {
      if (this.source.file && !this.picture) await this.getReady()
      const result = await this.send()
      this.result = result
      if (result.reading) this.showReading()
      else this.showTrouble(result.refusal, result.answer)
      this.showWire()
    } catch (error) {
      if (error.name === 'AbortError') return
      if (!(error instanceof PictureError)) console.error(error)
      this.showTrouble({ key: error instanceof PictureError ? error.why : 'unreadable', id: '' })
    }
  }

  async getReady() {
    this.become('busy', sentence('preparing'))
    const { api } = this.settings()
    this.picture = await prepare(this.source.file, { limit: LIMIT, anyKind: api === 'v1', mostBytes: MOST_BYTES })
    const { width, height, size, given, shrunk } = this.picture
    this.at('size').textContent = sizes(width, height, size)
    if (given) {
      this.at('shrunk').hidden = false
      this.at('shrunk').textContent = sentence(shrunk ? 'shrunk' : 'converted', sizes(given.width, given.height, given.size))
    }
  }

  async send() {
    const { api, model, appcode, view } = this.settings()
    const what = { api, model, appcode, blob: this.picture?.blob, url: this.source.url, blocks: view === 'lines' }
    this.sent = what
    for (let tries = 1; ; tries += 1) {
      this.become('busy', sentence('uploading', 0), 0)
      const result = await call(what, {
        onUpload: (share) => this.become('busy', sentence('uploading', Math.round(share * 100)), share * 100),
        onSent: () => this.become('busy', sentence('reading')),
        signal: this.abort.signal,
      })
      const asked = result.answer ? Number(header(result.answer, 'retry-after')) : 0
      if (!BUSY.has(result.answer?.status) || tries === TRIES || asked > LONGEST_WAIT) return result
      const seconds = Math.max(asked, tries)
      this.become('busy', sentence('retrying', seconds, tries, TRIES - 1))
      await pause(seconds * 1000 * (0.75 + Math.random() / 2), this.abort.signal)
    }
  }

  retry() {
    this.become('waiting', sentence('waiting'))
    this.element.dispatchEvent(new CustomEvent('again', { bubbles: true, detail: this }))
  }

  showReading() {
    const { reading, seconds } = this.result
    const took = seconds.toFixed(seconds < 10 ? 2 : 0)
    const count = reading.lines.length
    const told = reading.whole ? sentence('done_joined', took) : sentence('done', count, took)
    this.draw()
    this.become('done', count ? told : sentence('empty'))
    tell(sentence('said_done', this.name, count))
  }

  draw() {
    const { reading } = this.result
    const url = this.picture?.url ?? ''
    const caption = reading.placed ? (this.source.url ? 'by_url' : url ? '' : 'no_preview') : 'no_places'
    this.at('reading').hidden = false
    this.at('nothing').hidden = reading.lines.length > 0
    this.at('doubt').hidden = !hasDoubt(reading)
    this.at('picture').hidden = !url && !(reading.placed && reading.lines.length)
    this.at('caption').hidden = !caption
    this.at('caption').textContent = caption && sentence(caption)
    const labels = { overlay: sentence('overlay'), lines: sentence('lines') }
    const { view } = this.settings()
    show(reading, { sheet: this.at('sheet'), text: this.at('text'), url, view: reading.whole ? 'joined' : view, labels })
    for (const name of ['copy', 'txt']) this.at(name).disabled = !reading.lines.length
    if (!reading.lines.length) this.at('text').replaceChildren()
  }

  text() {
    return plainText(this.result.reading, this.settings().view)
  }

  showTrouble(refusal, answer = null) {
    const { what, todo } = explain(refusal)
    const wait = answer && header(answer, 'retry-after')
    const free = answer && header(answer, 'x-ziyan-billed') === '0'
    this.at('what').textContent = what
    this.at('todo').textContent = wait ? `${todo} ${sentence('again_in', wait)}` : todo
    this.at('cost').hidden = !free
    this.at('cost').textContent = free ? sentence('not_billed') : ''
    this.at('raw-message').textContent = [refusal.raw, refusal.id].filter(Boolean).join(' · ')
    this.at('trouble').hidden = false
    this.at('reading').hidden = true
    this.at('picture').hidden = true
    this.become('failed', sentence('failed'))
    tell(sentence('said_failed', this.name, what))
  }

  // --- developer mode -------------------------------------------------------------------------------------------

  setUpCode() {
    const choice = this.at('language')
    for (const [key, { label }] of Object.entries(LANGUAGES)) choice.add(new Option(label, key))
    const last = kept('language')
    choice.value = LANGUAGES[last] ? last : 'curl'
    choice.addEventListener('change', () => {
      keep('language', choice.value)
      this.showCode()
    })
    this.at('copy-code').addEventListener('click', () => copy(this.at('code').textContent, copied()))
  }

  showWire() {
    this.at('wire').hidden = !this.settings().dev || !this.result?.answer
    if (this.at('wire').hidden) return
    const { request, answer } = this.result
    const billed = header(answer, 'x-ziyan-billed')
    const remaining = header(answer, 'x-ziyan-remaining')
    const told = [billed && sentence(billed === '1' ? 'billed' : 'free'), remaining && sentence('remaining', remaining)]
    this.at('billed').textContent = told.filter(Boolean).join(' · ')
    this.at('request').textContent = requestText(request)
    this.at('answer').textContent = `HTTP ${answer.status} ${answer.reason}`.trim() + `\n${headerLines(answer.headers)}\n\n${answer.body}`
    this.at('code-note').hidden = !this.picture?.given
    this.showCode()
  }

  showCode() {
    const { api, model, appcode, url, blocks } = this.sent
    const what = { api, model, appcode, url, blocks, name: this.source.file?.name || 'picture.png', origin: location.origin }
    this.at('code').textContent = LANGUAGES[this.at('language').value].make(what)
  }
}

function requestText({ path, headers, shown }) {
  const size = shown.size === undefined ? '' : `<${sentence('bytes', shown.size.toLocaleString('en'))}>`
  let body = size || JSON.stringify({ url: shown.value })
  if (shown.fields) {
    const first = `${shown.field}=${size || encodeURIComponent(shown.value)}`
    body = [first, ...shown.fields.map((pair) => pair.join('='))].join('&')
  }
  return `POST ${path}\n${headerLines([['Host', location.host], ...headers])}\n\n${body}`
}

function headerLines(headers) {
  return headers.map(([name, value]) => `${name}: ${value}`).join('\n')
}

function sizes(width, height, bytes) {
  const size = bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} KB` : `${(bytes / 1e6).toFixed(1)} MB`
  return width ? `${width} × ${height} · ${size}` : size
}

function stem(name) {
  const last = name.split(/[?#]/)[0].split(/[\\/]/).filter(Boolean).pop() ?? ''
  return last.replace(/\.[A-Za-z0-9]{1,5}$/, '').slice(0, 80) || 'ziyan'
}

function copied() {
  return { copied: sentence('copied'), failed: sentence('not_copied') }
}

export function save(text, type, name) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(new DOMException('aborted', 'AbortError'))
    }, { once: true })
  })
}
