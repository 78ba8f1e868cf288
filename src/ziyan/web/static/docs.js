// The documentation's live parts: search while typing, and the calculator of signs.
import { hmacSha256, md5 } from './hashes.js'

const WAIT = 120

function setUpSearch() {
  const form = document.querySelector('[data-search]')
  const [input, list] = [form.querySelector('[data-query]'), form.querySelector('[data-found]')]
  let timer = 0
  let latest = 0
  const look = async () => {
    const query = input.value.trim()
    const own = (latest += 1)
    if (!query) {
      list.hidden = true
      return
    }
    const found = await (await fetch(`/docs/search.json?${new URLSearchParams({ q: query, lang: form.dataset.language })}`)).json()
    if (own !== latest) return // something else was typed meanwhile
    list.replaceChildren(...(found.length ? found.slice(0, 8).map(item) : [nothing(list.dataset.nothing)]))
    list.hidden = false
  }
  input.addEventListener('input', () => {
    clearTimeout(timer)
    timer = setTimeout(look, WAIT)
  })
  form.addEventListener('keydown', (event) => {
    const places = [input, ...list.querySelectorAll('a')]
    const at = places.indexOf(document.activeElement)
    if (event.key === 'Escape') {
      list.hidden = true
      input.focus()
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && at >= 0 && !list.hidden) {
      event.preventDefault()
      places[Math.max(0, Math.min(places.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1)))].focus()
    }
  })
  form.addEventListener('focusout', (event) => {
    if (!form.contains(event.relatedTarget)) list.hidden = true
  })
}

function item({ page, title, path, excerpt }) {
  const [entry, link, heading, place, text] = ['li', 'a', 'b', 'span', 'small'].map((name) => document.createElement(name))
  link.href = path
  heading.textContent = title
  place.textContent = page
  text.textContent = excerpt
  link.append(heading, ' ', place, text)
  entry.append(link)
  return entry
}

function nothing(told) {
  const entry = document.createElement('li')
  entry.textContent = told
  return entry
}

// As the service does it: every parameter that is not empty but sign, sorted by name, and the secret behind.
export function signText(parameters, secret) {
  const pairs = [...parameters].filter(([name, value]) => name !== 'sign' && value !== '')
  pairs.sort(([one], [other]) => compared(one, other))
  return [...pairs.map(([name, value]) => `${name}=${value}`), `key=${secret}`].join('&')
}

// By code points, as Python sorts; JavaScript would go by halves of them.
function compared(one, other) {
  const [mine, theirs] = [[...one], [...other]].map((letters) => letters.map((letter) => letter.codePointAt(0)))
  for (let index = 0; index < Math.min(mine.length, theirs.length); index += 1) {
    if (mine[index] !== theirs[index]) return mine[index] - theirs[index]
  }
  return mine.length - theirs.length
}

function setUpCalculator() {
  const form = document.querySelector('[data-calculator]')
  if (!form) return
  const compute = () => {
    const { appid, secret, sendtime, others, algorithm } = form.elements
    const parameters = new Map([['appid', appid.value], ['sendtime', sendtime.value]])
    for (const line of others.value.split('\n')) {
      const at = line.indexOf('=')
      if (at > 0) parameters.set(line.slice(0, at).trim(), line.slice(at + 1))
    }
    const text = signText(parameters, secret.value)
    form.querySelector('[data-base]').textContent = text
    form.querySelector('[data-sign]').textContent = algorithm.value === 'hmac' ? hmacSha256(text, secret.value) : md5(text)
  }
  form.addEventListener('input', (event) => {
    // The appid itself says how it signs.
    if (event.target.name === 'appid') form.elements.algorithm.value = event.target.value.startsWith('h') ? 'hmac' : 'md5'
    compute()
  })
  form.addEventListener('submit', (event) => event.preventDefault())
  form.querySelector('[data-now-button]').addEventListener('click', () => {
    form.elements.sendtime.value = String(Date.now())
    compute()
  })
  compute()
}

// On a small screen the contents start closed.
function setUpContents() {
  if (matchMedia('(max-width: 900px)').matches) document.querySelector('[data-contents]').open = false
}

setUpSearch()
setUpContents()
setUpCalculator()
