// One place that says what happened: read out by screen readers, and where nothing else shows it, seen for a moment.
const SECONDS = 4
let timer = 0

export function tell(text) {
  document.querySelector('[data-said]').textContent = text
}

export function say(text) {
  const place = document.querySelector('[data-said]')
  tell(text)
  place.classList.add('seen')
  clearTimeout(timer)
  timer = setTimeout(() => place.classList.remove('seen'), SECONDS * 1000)
}
