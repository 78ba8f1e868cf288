// Sentences that the page came with, in the reader's language.
const sentences = new Map(
  [...document.getElementById('sentences').content.querySelectorAll('[data-key]')].map((node) => [node.dataset.key, node.textContent]),
)
const explanations = new Map(Object.entries(JSON.parse(document.getElementById('words').textContent)))

export function sentence(key, ...values) {
  const parts = sentences.get(key).split('{}')
  return parts.map((part, index) => part + (index < parts.length - 1 ? values[index] : '')).join('')
}

// The tables mark code with backticks.
const plain = (text) => text.replaceAll('`', '')

// The table has a place for a name where the service's own message has the name.
function withName(key) {
  for (const [message, known] of explanations) {
    const [before, after] = message.split('{appid}')
    if (after !== undefined && key.startsWith(before) && key.endsWith(after)) return known
  }
  return null
}

// A refusal: {key, what?, todo?}: the service's table first, then the page's own, then what the answer itself says.
export function explain({ key, what, todo, raw }) {
  const known = explanations.get(key) ?? withName(key)
  if (known) return { what: plain(known[0]), todo: plain(known[1]) }
  if (sentences.has(`${key}_what`)) return { what: sentence(`${key}_what`), todo: sentence(`${key}_todo`) }
  return { what: what || sentence('unknown_what'), todo: todo || raw || '' }
}
