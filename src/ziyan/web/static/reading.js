// What was read, twice: as text and as boxes over the picture. Whatever is pointed at or focused in one shows in the other.
import { spaceBetween } from './api.js'

const SVG = 'http://www.w3.org/2000/svg'
const DOUBTFUL = 0.8
const LINE = '[data-line]'

// Draws reading into the sheet and the text; labels: {overlay, lines}.
export function show(reading, { sheet, text, url, view, labels }) {
  sheet.replaceChildren(...(reading.placed ? [picture(reading, url), overlay(reading, url, labels.overlay)] : url ? [picture(reading, url)] : []))
  text.replaceChildren(lines(reading, view, labels.lines))
  const pair = new Pair([sheet.querySelector('svg'), text.firstElementChild])
  return pair
}

export function plainText(reading, view) {
  const texts = reading.lines.map(({ text }) => text)
  if (view === 'lines') return texts.join('\n')
  return texts.reduce((whole, text) => whole + (whole && text ? spaceBetween(whole, text) : '') + text, '')
}

export function hasDoubt(reading) {
  return reading.lines.some(isDoubtful)
}

function isDoubtful({ score }) {
  return score !== undefined && score < DOUBTFUL
}

function picture(reading, url) {
  if (!url) {
    const blank = document.createElement('div')
    blank.className = 'blank'
    return blank
  }
  const image = document.createElement('img')
  image.src = url
  image.alt = ''
  image.decoding = 'async'
  return image
}

function overlay(reading, url, label) {
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', `0 0 ${reading.width} ${reading.height}`)
  svg.setAttribute('role', 'listbox')
  svg.setAttribute('aria-label', label)
  if (!url) svg.classList.add('alone')
  reading.lines.forEach((line, index) => {
    const shape = document.createElementNS(SVG, 'polygon')
    shape.setAttribute('points', line.polygon.map((point) => point.join(',')).join(' '))
    option(shape, index, line.text)
    svg.append(shape)
    if (!url) svg.append(written(line))
  })
  return svg
}

// Where there is no picture to draw over, the text itself stands in its place.
function written(line) {
  const [x0, y0, x1, y1] = line.box
  const label = document.createElementNS(SVG, 'text')
  const [width, height] = [x1 - x0, y1 - y0]
  label.textContent = line.text
  label.setAttribute('aria-hidden', 'true')
  label.setAttribute('font-size', `${Math.min(width, height) * 0.72}`)
  if (line.vertical) {
    label.setAttribute('writing-mode', 'vertical-rl')
    label.setAttribute('x', `${(x0 + x1) / 2}`)
    label.setAttribute('y', `${y0 + width * 0.1}`)
    label.setAttribute('textLength', `${height - width * 0.2}`)
  } else {
    label.setAttribute('x', `${x0 + height * 0.1}`)
    label.setAttribute('y', `${y0 + height * 0.76}`)
    label.setAttribute('textLength', `${Math.max(1, width - height * 0.2)}`)
  }
  label.setAttribute('lengthAdjust', 'spacingAndGlyphs')
  return label
}

function lines(reading, view, label) {
  const list = document.createElement('div')
  list.className = view
  list.setAttribute('role', 'listbox')
  list.setAttribute('aria-label', label)
  let block = 0
  reading.lines.forEach((line, index) => {
    const item = document.createElement('span')
    item.className = 'line'
    item.textContent = line.text
    option(item, index)
    if (isDoubtful(line)) item.classList.add('doubtful')
    if (line.score !== undefined) item.dataset.score = `${Math.round(line.score * 100)}%`
    if (view === 'joined' && index) list.append(spaceBetween(reading.lines[index - 1].text, line.text))
    if (view === 'lines' && line.block !== undefined && line.block !== block) item.classList.add('new-block')
    block = line.block ?? block
    list.append(item)
  })
  return list
}

function option(element, index, label = '') {
  element.dataset.line = index
  element.setAttribute('role', 'option')
  element.setAttribute('aria-selected', 'false')
  element.setAttribute('tabindex', index ? '-1' : '0')
  if (label) element.setAttribute('aria-label', label)
}

// Two lists of the same lines. One tab stop each; arrow keys move inside.
class Pair {
  constructor(lists) {
    this.lists = lists.filter(Boolean)
    this.marked = null
    for (const list of this.lists) {
      list.addEventListener('pointerover', (event) => this.mark(indexOf(event), list))
      list.addEventListener('pointerleave', () => this.mark(this.focused(), list))
      list.addEventListener('focusin', (event) => this.mark(indexOf(event), list))
      list.addEventListener('focusout', () => this.mark(null, list))
      list.addEventListener('click', (event) => this.pick(indexOf(event), list))
      list.addEventListener('keydown', (event) => this.move(event, list))
    }
  }

  mark(index, from) {
    if (index === this.marked) return
    for (const list of this.lists) {
      for (const item of list.querySelectorAll(LINE)) {
        const on = index !== null && Number(item.dataset.line) === index
        item.setAttribute('aria-selected', String(on))
        item.classList.toggle('marked', on)
        if (on && list !== from) scrollInside(item, list)
      }
    }
    this.marked = index
  }

  // A click on the picture goes to the line; one on a line stays there, so that its text can be selected.
  pick(index, from) {
    if (index === null) return
    const other = this.lists.find((list) => list !== from && from.localName === 'svg') ?? from
    focus(other, index)
  }

  move(event, list) {
    const items = [...list.querySelectorAll(LINE)]
    const at = items.indexOf(event.target)
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key]
    if (to === undefined || at < 0 || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    focus(list, Math.max(0, Math.min(items.length - 1, to)))
  }

  focused() {
    const line = document.activeElement?.closest?.(LINE)
    return line && this.lists.some((list) => list.contains(line)) ? Number(line.dataset.line) : null
  }
}

function indexOf(event) {
  const item = event.target.closest(LINE)
  return item ? Number(item.dataset.line) : null
}

function focus(list, index) {
  for (const item of list.querySelectorAll(LINE)) item.setAttribute('tabindex', Number(item.dataset.line) === index ? '0' : '-1')
  list.querySelector(`[data-line="${index}"]`).focus()
}

// Moves the box that scrolls, never the page under the reader's hand.
function scrollInside(item, list) {
  const box = list.closest('.sheet, .text')
  const [inner, outer] = [item.getBoundingClientRect(), box.getBoundingClientRect()]
  if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top + 8
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 8
}
