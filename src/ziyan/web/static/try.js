// The try page: pictures come in by five ways, wait in a queue, and become cards.
import { Card, save } from './card.js'
import { copy } from './clipboard.js'
import { appcode, forget, keep, kept } from './kept.js'
import { say } from './said.js'
import { sentence } from './words.js'

const AT_ONCE = 2
const cards = []
const waiting = []
let running = 0

const at = (name) => document.querySelector(`[data-${name}]`)
const all = (name) => [...document.querySelectorAll(`[data-${name}]`)]
const chosen = (name) => all(name).find((input) => input.checked)?.value

function settings() {
  const dev = at('dev').checked
  const api = dev ? chosen('api') : 'v1'
  const model = dev && api === 'v1' ? (at('model')?.value ?? '') : ''
  return { api, model, appcode: at('appcode').value.trim(), view: chosen('view'), dev }
}

// --- the queue ------------------------------------------------------------------------------------------------

// The newest come first, and of several at once the first.
function add(source, place = 0) {
  const card = new Card(source, { settings, changed: showCount, removed })
  at('cards').insertBefore(card.element, cards[place]?.element ?? null)
  cards.splice(place, 0, card)
  enqueue(card)
  return card
}

function enqueue(card) {
  waiting.push(card)
  at('results').hidden = false
  document.body.classList.add('has-results')
  work()
}

async function work() {
  while (running < AT_ONCE && waiting.length) {
    const card = waiting.shift()
    running += 1
    card.run().finally(() => {
      running -= 1
      showCount()
      work()
    })
  }
}

function removed(card) {
  cards.splice(cards.indexOf(card), 1)
  if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1)
  if (!cards.length) {
    at('results').hidden = true
    document.body.classList.remove('has-results')
    at('files').focus({ preventScroll: true })
  }
  showCount()
}

function showCount() {
  const count = (state) => cards.filter((card) => card.state === state).length
  const [done, failed] = [count('done'), count('failed')]
  const counts = { all: cards.length, done, failed, left: cards.length - done - failed }
  const told = Object.entries(counts).filter(([, number]) => number).map(([name, number]) => sentence(`count_${name}`, number))
  at('count').textContent = told.join(' · ')
  for (const name of ['copy', 'save']) document.querySelector(`[data-all=${name}]`).disabled = !done
}

function addFiles(files) {
  const added = [...files].map((file, place) => add({ file }, place))
  if (added.length) bringIntoView(added[0])
}

function addUrl(url) {
  if (!url) return
  const card = add({ url })
  bringIntoView(card)
}

function bringIntoView(card) {
  const smooth = !matchMedia('(prefers-reduced-motion: reduce)').matches
  requestAnimationFrame(() => at('results').scrollIntoView({ block: 'start', behavior: smooth ? 'smooth' : 'auto' }))
  return card
}

// --- ways in --------------------------------------------------------------------------------------------------

function setUpFiles() {
  at('files').multiple = true
  for (const name of ['files', 'camera']) {
    at(name).addEventListener('change', (event) => {
      addFiles(event.target.files)
      event.target.value = ''
    })
  }
  at('camera-label').hidden = false
  at('form').addEventListener('submit', (event) => {
    event.preventDefault()
    addUrl(at('url').value.trim())
  })
  const sample = at('sample')
  sample.hidden = false
  sample.addEventListener('click', async () => {
    const blob = await (await fetch(sample.dataset.sample)).blob()
    bringIntoView(add({ file: new File([blob], 'sample.png', { type: 'image/png' }), name: `${sentence('sample')} sample.png` }))
  })
}

function setUpDropping() {
  let depth = 0
  const over = (on) => at('drop').classList.toggle('over', on)
  const carries = (event) => event.dataTransfer && [...event.dataTransfer.types].some((type) => type === 'Files' || type === 'text/uri-list')
  addEventListener('dragenter', (event) => carries(event) && over((depth += 1) > 0))
  addEventListener('dragleave', (event) => carries(event) && over((depth = Math.max(0, depth - 1)) > 0))
  addEventListener('dragover', (event) => carries(event) && event.preventDefault())
  addEventListener('drop', (event) => {
    if (!carries(event)) return
    event.preventDefault()
    over((depth = 0) > 0)
    if (event.dataTransfer.files.length) addFiles(event.dataTransfer.files)
    else addUrl(event.dataTransfer.getData('text/uri-list').split('\n')[0].trim())
  })
}

function setUpPasting() {
  addEventListener('paste', (event) => {
    const files = [...event.clipboardData.files].filter(({ type }) => type.startsWith('image/'))
    if (files.length) {
      event.preventDefault()
      // Browsers call what comes from a screenshot image.png, all of them.
      for (const file of files) bringIntoView(add({ file, name: file.name === 'image.png' ? sentence('pasted') : file.name }))
      return
    }
    const text = event.clipboardData.getData('text/plain').trim()
    if (!event.target.closest?.('input, textarea') && /^https?:\/\/\S+$/.test(text)) {
      event.preventDefault()
      at('url').value = text
      at('url').focus()
    }
  })
}

// --- settings -------------------------------------------------------------------------------------------------

function setUpAppcode() {
  const input = at('appcode')
  const { trial } = document.body.dataset
  const told = () => {
    const value = input.value.trim()
    at('key-trial').hidden = !value || value !== trial
    at('key-own').hidden = !value || value === trial
    at('key-none').hidden = Boolean(value)
    at('forget').hidden = !kept('appcode')
  }
  input.value = appcode() || input.value
  input.addEventListener('input', () => {
    const value = input.value.trim()
    if (value && value !== trial) keep('appcode', value)
    else forget('appcode')
    told()
  })
  at('forget').addEventListener('click', () => {
    forget('appcode')
    input.value = trial
    told()
    input.focus()
    say(sentence('forgotten'))
  })
  told()
}

function setUpView() {
  const view = kept('view')
  for (const input of all('view')) {
    if (input.value === view) input.checked = true
    input.addEventListener('change', () => {
      keep('view', input.value)
      for (const card of cards) if (card.state === 'done') card.draw()
    })
  }
}

function setUpDeveloper() {
  at('dev-box').hidden = false
  const show = () => {
    const { dev, api } = settings()
    at('api-box').hidden = at('api-note').hidden = !dev
    if (at('model-box')) at('model-box').hidden = !dev || api !== 'v1'
    for (const card of cards) card.showWire()
  }
  at('dev').checked = kept('dev') === '1'
  at('dev').addEventListener('change', () => {
    if (at('dev').checked) keep('dev', '1')
    else forget('dev')
    show()
  })
  for (const input of all('api')) input.addEventListener('change', show)
  show()
}

function setUpAll() {
  const done = () => cards.filter(({ state }) => state === 'done')
  const whole = () => done().map((card) => (cards.length > 1 ? `【${card.name}】\n${card.text()}` : card.text())).join('\n\n')
  const actions = {
    copy: () => copy(whole(), { copied: sentence('copied'), failed: sentence('not_copied') }),
    save: () => save(whole(), 'text/plain', 'ziyan.txt'),
    clear: () => [...cards].forEach((card) => card.at('remove').click()),
  }
  for (const button of all('all')) button.addEventListener('click', actions[button.dataset.all])
  at('cards').addEventListener('again', (event) => enqueue(event.detail))
}

setUpAppcode()
setUpView()
setUpDeveloper()
setUpAll()
setUpFiles()
setUpDropping()
setUpPasting()
