// One place that says what happened: seen for a moment, and read out by screen readers.
const SECONDS = 4
let timer = 0

export function say(text) {
  const place = document.querySelector('[data-said]')
  place.textContent = text
  place.classList.add('seen')
  clearTimeout(timer)
  timer = setTimeout(() => place.classList.remove('seen'), SECONDS * 1000)
}
