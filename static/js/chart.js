// Draws the table of months as a chart (uPlot): redeemed ones stand inside the sent ones they are part of.
(() => {
  "use strict";

  const HEIGHT_SHARE = 0.92;
  let plot = null;
  let drawn = "";
  let watched = null;
  const resized = new ResizeObserver(() => requestAnimationFrame(draw));

  const rows = () => [...document.querySelectorAll("#chart-numbers tbody tr")].map((row) => row.dataset);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const format = (value) => value.toLocaleString("en-US");

  /** A tooltip over the month under the pointer. */
  function tooltip(lines) {
    const tip = document.createElement("div");
    tip.className = "chart__tip";
    tip.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(tip),
        setCursor: (u) => {
          const { idx } = u.cursor;
          tip.hidden = idx == null || u.cursor.left < 0;
          if (tip.hidden) return;
          const line = lines[idx];
          tip.replaceChildren(
            ...[
              [line.name, ""],
              ["Sent", format(Number(line.sent))],
              ["Redeemed", format(Number(line.redeemed))],
              ["Rate", line.rate],
            ].map(([name, value]) => {
              const p = document.createElement("p");
              const b = document.createElement("b");
              b.textContent = value;
              p.append(name, b);
              return p;
            }),
          );
          const at = u.valToPos(idx, "x");
          const left = at + 16 + tip.offsetWidth > u.over.clientWidth ? at - tip.offsetWidth - 16 : at + 16;
          tip.style.left = `${Math.max(0, left)}px`;
        },
      },
    };
  }

  function draw() {
    const place = document.getElementById("chart");
    const lines = rows();
    if (place && place !== watched) {
      watched = place;
      resized.disconnect();
      resized.observe(place);
    }
    if (!place || !lines.length || !window.uPlot || !place.clientWidth) return;
    const shape = JSON.stringify([lines, place.clientWidth, place.clientHeight, colour("--ink-faint")]);
    if (shape === drawn && plot.root.isConnected) return;
    drawn = shape;
    plot?.destroy();

    const ink = colour("--ink-faint");
    const font = `12px ${colour("--font")}`;
    const bars = uPlot.paths.bars({ size: [0.62, 44], radius: [0.08, 0] });
    // As many labels as there is room for; a January, which carries its year, is always one of them.
    const step = [1, 2, 3, 4, 6, 12].find((step) => (place.clientWidth / lines.length) * step >= 38) ?? 12;
    const january = Math.max(0, lines.findIndex((line, at) => at > 0 && line.axis.includes(" ")));
    const series = (label, fill, stroke) => ({ label, fill, stroke, width: 1, paths: bars, points: { show: false } });
    plot = new uPlot(
      {
        width: place.clientWidth,
        height: place.clientHeight,
        padding: [8, 4, 0, 0],
        legend: { show: false },
        cursor: { y: false, x: false, drag: { x: false, y: false }, points: { show: false } },
        scales: {
          x: { time: false, range: (_, min, max) => [min - 0.5, max + 0.5] },
          y: { range: (_, __, max) => [0, Math.max(4, max / HEIGHT_SHARE)] },
        },
        axes: [
          {
            stroke: ink,
            font,
            size: 44,
            gap: 6,
            grid: { show: false },
            ticks: { show: false },
            splits: () => lines.map((_, at) => at),
            values: (_, splits) => splits.map((at) => ((at - january) % step ? "" : lines[at].axis.replace(" ", "\n"))),
          },
          {
            stroke: ink,
            font,
            // As wide as the longest number needs.
            size: (_, values) => 16 + 7.5 * Math.max(3, ...(values || []).map((value) => value.length)),
            gap: 8,
            space: 60,
            grid: { stroke: colour("--chart-grid"), width: 1 },
            ticks: { show: false },
            incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6],
            values: (_, splits) => splits.map((value) => format(value)),
          },
        ],
        series: [
          {},
          series("Sent", colour("--chart-sent-fill"), colour("--chart-sent-line")),
          series("Redeemed", colour("--chart-redeemed"), colour("--chart-redeemed")),
        ],
        plugins: [tooltip(lines)],
      },
      [lines.map((_, at) => at), lines.map((line) => Number(line.sent)), lines.map((line) => Number(line.redeemed))],
      place,
    );
  }

  draw();
  document.addEventListener("live:changed", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
