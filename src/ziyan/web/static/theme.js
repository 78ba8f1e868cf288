// Runs before anything is drawn: the theme that was chosen, and that there are scripts.
(() => {
  const root = document.documentElement
  root.classList.add('js')
  try {
    const theme = localStorage.getItem('ziyan.theme')
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme
  } catch {
    // Storage may be switched off; the system's theme will do.
  }
})()
