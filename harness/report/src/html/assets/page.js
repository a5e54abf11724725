'use strict';
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  document.getElementById('theme').addEventListener('click', () => {
    const now = root.dataset.theme || (dark.matches ? 'dark' : 'light');
    root.dataset.theme = now === 'dark' ? 'light' : 'dark';
  });

  const spots = JSON.parse(document.getElementById('spots').textContent);
  const tip = document.getElementById('tip');
  const ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  ring.setAttribute('class', 'focus');
  ring.setAttribute('r', 30);

  const hide = () => { tip.hidden = true; ring.remove(); };
  const show = (svg, spot) => {
    const at = new DOMPoint(spot[0], spot[1]).matrixTransform(svg.getScreenCTM());
    ring.setAttribute('cx', spot[0]);
    ring.setAttribute('cy', spot[1]);
    svg.append(ring);
    tip.textContent = spot[3];
    tip.hidden = false;
    const room = root.clientWidth - tip.offsetWidth - 8;
    const left = at.x + 14 > room ? at.x - tip.offsetWidth - 14 : at.x + 14;
    const top = at.y - tip.offsetHeight - 10;
    tip.style.left = Math.max(8, Math.min(left, room)) + scrollX + 'px';
    tip.style.top = Math.max(4, top < 4 ? at.y + 14 : top) + scrollY + 'px';
  };

  for (const svg of document.querySelectorAll('svg[data-spots]')) {
    const all = spots[svg.dataset.spots];
    const figure = svg.closest('[data-legend]');
    const seen = () => all.filter(spot => !figure.querySelector(`button[data-series="${spot[2]}"][aria-pressed=false]`));
    let current = -1;
    const nearest = event => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = null, least = 320 * 320;
      for (const spot of seen()) {
        const d = (spot[0] - at.x) ** 2 + (spot[1] - at.y) ** 2;
        if (d < least) { least = d; best = spot; }
      }
      best ? show(svg, best) : hide();
    };
    svg.addEventListener('pointermove', nearest);
    svg.addEventListener('pointerdown', nearest);
    svg.addEventListener('pointerleave', hide);
    svg.addEventListener('blur', hide);
    svg.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const list = seen();
      if (event.key === 'Escape') hide();
      if (!step || !list.length) return;
      event.preventDefault();
      current = (current + step + list.length) % list.length;
      show(svg, list[current]);
    });
  }

  for (const legend of document.querySelectorAll('[data-legend]')) {
    const views = legend.querySelectorAll('.view');
    const switches = legend.querySelectorAll('button[data-view]');
    for (const button of switches) {
      button.addEventListener('click', () => {
        views.forEach((view, i) => { view.hidden = i !== +button.dataset.view; });
        switches.forEach(other => other.setAttribute('aria-pressed', other === button));
        hide();
      });
    }
    for (const button of legend.querySelectorAll('button[data-series]')) {
      button.addEventListener('click', () => {
        const on = button.getAttribute('aria-pressed') !== 'true';
        button.setAttribute('aria-pressed', on);
        for (const part of legend.querySelectorAll(`svg[data-spots] .t${button.dataset.series}`)) part.classList.toggle('off', !on);
        hide();
      });
    }
  }
  for (const flame of document.querySelectorAll('svg.flame')) {
    const frames = [...flame.querySelectorAll('svg')].map(box => ({ box, x: parseFloat(box.getAttribute('x')), w: parseFloat(box.getAttribute('width')) }));
    const name = box => {
      const text = document.createElementNS('http://www.w3.org/2000/svg', 'text');
      text.setAttribute('x', 3);
      text.setAttribute('y', 12.5);
      text.textContent = box.querySelector('title').textContent.split('\n')[0];
      box.append(text);
    };
    const zoom = (x, w) => {
      for (const frame of frames) {
        const left = Math.max(0, (frame.x - x) / w * 100), right = Math.min(100, (frame.x + frame.w - x) / w * 100);
        frame.box.classList.toggle('off', right - left < .02);
        frame.box.setAttribute('x', left + '%');
        frame.box.setAttribute('width', Math.max(0, right - left) + '%');
        if (right - left > 3 && !frame.box.querySelector('text')) name(frame.box);
      }
    };
    for (const frame of frames) frame.box.addEventListener('click', () => zoom(frame.x, frame.w));
  }
  addEventListener('scroll', hide, { passive: true });
})();
