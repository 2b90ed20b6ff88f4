// Views of one image share one zoom: scale and offset in widths of a pane, valid for any window size.
for (const section of document.querySelectorAll("section.image")) {
  const panes = [...section.querySelectorAll(".pane")];
  const state = { scale: 1, x: 0, y: 0 };

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const draw = () => {
    state.x = clamp(state.x, 1 - state.scale, 0);
    state.y = clamp(state.y, 1 - state.scale, 0);
    for (const pane of panes) {
      const image = pane.firstElementChild;
      image.style.transform = `translate(${100 * state.x}%, ${100 * state.y}%) scale(${state.scale})`;
    }
  };
  const zoom = (factor, x = 0.5, y = 0.5) => {
    const scale = factor === 0 ? 1 : clamp(state.scale * factor, 1, 32);
    state.x = x - ((x - state.x) * scale) / state.scale;
    state.y = y - ((y - state.y) * scale) / state.scale;
    state.scale = scale;
    draw();
  };
  const place = (pane, event) => {
    const box = pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  for (const button of section.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => zoom(Number(button.dataset.zoom)));
  }
  for (const pane of panes) {
    let last = null;
    pane.addEventListener("dblclick", (event) => zoom(event.shiftKey ? 0.5 : 2, ...place(pane, event)));
    pane.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.25 : 0.8, ...place(pane, event));
    }, { passive: false });
    pane.addEventListener("pointerdown", (event) => { last = place(pane, event); pane.setPointerCapture(event.pointerId); });
    pane.addEventListener("pointerup", () => { last = null; });
    pane.addEventListener("pointermove", (event) => {
      const [x, y] = place(pane, event);
      for (const other of panes) {
        other.style.setProperty("--cursor-x", `${100 * x}%`);
        other.style.setProperty("--cursor-y", `${100 * y}%`);
      }
      if (last === null) return;
      state.x += x - last[0];
      state.y += y - last[1];
      last = [x, y];
      draw();
    });
    pane.addEventListener("pointerleave", () => {
      for (const other of panes) other.style.removeProperty("--cursor-x");
    });
  }
}
