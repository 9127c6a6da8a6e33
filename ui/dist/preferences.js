// Runs before the first paint, so that a chosen theme does not flash. It is a file of its own because
// the Content-Security-Policy allows no inline script. Keys and values: src/app/preferences.ts.
;(function () {
  try {
    var theme = localStorage.getItem('shuai.theme')
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  } catch (e) {
    // Storage is blocked: the system's theme it is.
  }
})()
