// What this browser keeps. Storage may be switched off or full: then nothing is kept, and the page works all the same.
const PREFIX = 'ziyan.'

export function kept(name) {
  try {
    return localStorage.getItem(PREFIX + name)
  } catch {
    return null
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value)
  } catch {
    // As above.
  }
}

export function forget(name) {
  try {
    localStorage.removeItem(PREFIX + name)
  } catch {
    // As above.
  }
}

// The AppCode that this reader uses: their own, else the trial one if the service handed it over.
export function appcode() {
  return kept('appcode') || document.body.dataset.trial || ''
}
