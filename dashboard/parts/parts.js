export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".part")
  if (root.dataset.html !== data.html) {
    root.innerHTML = data.html
    root.dataset.html = data.html
  }
  const waiting = root.querySelector("[data-when-painted]")
  if (waiting && !root.dataset.told) {
    root.dataset.told = "yes"
    requestAnimationFrame(() => setTimeout(() => setTriggerValue(waiting.dataset.whenPainted, "yes")))
  }
  root.onclick = event => {
    const target = event.target.closest("[data-event]")
    if (!target || event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    setTriggerValue(target.dataset.event, target.dataset.value)
    if (target.dataset.goto) document.getElementById(target.dataset.goto)?.scrollIntoView({ behavior: "smooth" })
  }
}
