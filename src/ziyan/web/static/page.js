// What every page has: the theme, copy buttons, and samples with the reader's own address and AppCode.
import { appcode, keep } from './kept.js'
import { copy } from './clipboard.js'

const root = document.documentElement

function setUpTheme() {
  const button = document.querySelector('[data-theme-switch]')
  button.hidden = false
  button.addEventListener('click', () => {
    const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    root.dataset.theme = dark ? 'light' : 'dark'
    keep('theme', root.dataset.theme)
  })
}

function fillIn() {
  const own = appcode()
  const values = { url: location.origin, host: location.host, appcode: own }
  for (const place of document.querySelectorAll('[data-fill]')) {
    if (values[place.dataset.fill]) place.textContent = values[place.dataset.fill]
  }
}

function setUpCopying() {
  for (const button of document.querySelectorAll('[data-copy-from]')) {
    button.hidden = false
    button.addEventListener('click', () => {
      const text = document.getElementById(button.dataset.copyFrom).textContent
      copy(text, { copied: button.dataset.copied, failed: button.dataset.notCopied })
    })
  }
}

setUpTheme()
fillIn()
setUpCopying()
