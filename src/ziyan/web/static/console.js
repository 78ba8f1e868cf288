// The console: what a chart's bar stands for is said below it, and an open menu closes when one goes elsewhere.
for (const chart of document.querySelectorAll('[data-chart]')) {
  const place = chart.querySelector('[data-pointed]')
  const plot = chart.querySelector('.plot svg')
  if (!place || !plot) continue
  const empty = place.textContent
  const tell = (event) => {
    const bar = event.target.closest('[data-told]')
    place.textContent = bar ? bar.dataset.told : empty
  }
  plot.addEventListener('pointermove', tell)
  plot.addEventListener('pointerdown', tell)
  plot.addEventListener('pointerleave', (event) => {
    if (event.pointerType === 'mouse') place.textContent = empty
  })
}

const menu = document.querySelector('.who')
if (menu) {
  document.addEventListener('click', (event) => {
    if (!menu.contains(event.target)) menu.open = false
  })
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return
    menu.open = false
    menu.querySelector('summary').focus()
  })
}

// On a phone the sections go on to the right: the one that is open is shown.
const sections = document.querySelector('.rooms')
const open = sections?.querySelector('[aria-current]')
if (open) sections.scrollLeft = open.offsetLeft - (sections.clientWidth - open.offsetWidth) / 2
