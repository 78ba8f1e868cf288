// Copying, also where browsers have no clipboard for pages: over plain HTTP from another machine.
import { say } from './said.js'

export async function copy(text, { copied, failed }) {
  say((await written(text)) ? copied : failed)
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return writtenTheOldWay(text)
  }
}

function writtenTheOldWay(text) {
  const before = document.activeElement
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'off-screen'
  area.setAttribute('aria-hidden', 'true')
  document.body.append(area)
  area.select()
  let done = false
  try {
    done = document.execCommand('copy')
  } catch {
    // Said to the reader by the caller.
  }
  area.remove()
  before?.focus?.({ preventScroll: true })
  return done
}
