// Draws the pictures of the page: in the colours of its style sheet, for its width, without the contestants that the reader
// has switched off.
'use strict';
const off = new Set();
const dark = matchMedia('(prefers-color-scheme: dark)');
const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function draw(chart) {
  const text = chart.source.replace(/"(--[\w-]+)"/g, (_, name) => JSON.stringify(color(name)));
  const { data, layout } = JSON.parse(text);
  const bars = chart.dataset.kind === 'bars', narrow = chart.clientWidth < 520;
  const soft = color('--soft'), grid = { gridcolor: color('--grid'), zerolinecolor: color('--grid'), linecolor: color('--rule') };
  Object.assign(layout, {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { color: color('--ink'), size: 12, family: 'system-ui, sans-serif' },
    hoverlabel: { bgcolor: color('--card'), bordercolor: color('--rule'), font: { color: color('--ink') }, align: 'left' },
    margin: { l: 8, r: 8, t: 4, b: 8 }, bargap: narrow ? 0.62 : 0.28, showlegend: data.length > 1, dragmode: 'zoom',
  });
  for (const axis of [layout.xaxis, layout.yaxis])
    Object.assign(axis, grid, { automargin: true, tickfont: { color: soft, size: 11 } }, axis.type === 'log' ? { dtick: 1, exponentformat: 'B', tickangle: 0 } : {});
  const shown = bars ? data : data.filter(trace => !off.has(trace.name));
  if (bars) for (const trace of shown) {
    const keep = trace.y.map((name, at) => at).filter(at => !off.has(trace.y[at]));
    const pick = list => Array.isArray(list) ? keep.map(at => list[at]) : list;
    for (const key of ['x', 'y', 'text', 'hovertext']) trace[key] = pick(trace[key]);
    trace.marker.color = pick(trace.marker.color);
    if (trace.error_x) Object.assign(trace.error_x, { array: pick(trace.error_x.array), arrayminus: pick(trace.error_x.arrayminus), color: color('--ink'), thickness: 1, width: 3 });
    trace.textposition = 'none';
    trace.hovertemplate = '<b>%{y}</b><br>%{hovertext}<extra></extra>';
    trace.marker.line = { width: 0 };
  } else for (const trace of shown) {
    if (trace.line.color === color('--floor')) trace.line.dash = 'dash';
    trace.hovertemplate = '<b>' + trace.name + '</b><br>%{hovertext}<extra></extra>';
  }
  if (bars) {
    const rows = Math.max(...shown.map(trace => trace.y.length), 1);
    layout.height = rows * (narrow ? 38 : 25) + 46 + (data.length > 1 ? 26 : 0);
    const first = shown.find(trace => trace.visible === true) || shown[0];
    const longest = list => Math.max(...(list || []).map(text => text.length), 0) * 7;
    const ours = name => first.marker.color[first.y.indexOf(name)] === color('--ours') ? `<b><span style="color:${color('--ours')}">${name}</span></b>` : name;
    Object.assign(layout.yaxis, {
      autorange: 'reversed', showticklabels: !narrow, ticksuffix: '  ', fixedrange: true, showgrid: false,
      tickfont: { color: color('--ink'), size: 12 }, tickvals: first.y, ticktext: first.y.map(ours),
    });
    const room = chart.clientWidth - 30 - (narrow ? 0 : longest(first.y));
    layout.xaxis.domain = [0, Math.max(0.3, 1 - (longest(first.text) + 10) / room)];
    layout.xaxis.nticks = narrow ? 4 : 6;
    layout.legend = { orientation: 'h', x: 0, y: 1, yanchor: 'bottom', font: { size: 12 } };
    const all = shown.flatMap(trace => trace.visible === true ? trace.x : []);
    if (layout.xaxis.type === 'log' && all.length) layout.xaxis.range = [Math.log10(Math.min(...all)) - 0.15, Math.log10(Math.max(...all)) + 0.1];
    layout.annotations = notes(shown, narrow);
  } else {
    layout.height = narrow ? 300 + 18 * shown.length : 340;
    layout.legend = narrow ? { orientation: 'h', x: 0, y: -0.3, yanchor: 'top', font: { size: 11 } } : { font: { size: 12 }, tracegroupgap: 0 };
    if (layout.yaxis.type !== 'log') layout.yaxis.rangemode = 'tozero';
  }
  Plotly.react(chart, shown, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

// Beside each bar its figure; where the page is narrow, above it whose it is.
function notes(traces, narrow) {
  const first = traces.find(trace => trace.visible === true);
  if (!first) return [];
  const note = (at, more) => ({ xref: 'paper', yref: 'y', y: first.y[at], showarrow: false, ...more });
  return first.y.flatMap((name, at) => [
    note(at, { x: 1, xanchor: 'right', text: first.marker.color[at] === color('--ours') ? `<b>${first.text[at]}</b>` : first.text[at], font: { size: 12 } }),
    ...(narrow ? [note(at, { x: 0, xanchor: 'left', text: name, yshift: 16, font: { size: 11, color: first.marker.color[at] === color('--ours') ? color('--ours') : color('--soft') } })] : []),
  ]);
}

// Those on the screen now, the others when they come there.
const seen = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) if (isIntersecting && !target.drawn) { target.drawn = true; draw(target); }
}, { rootMargin: '600px' });
const charts = [...document.querySelectorAll('.chart')];
for (const chart of charts) {
  chart.source = chart.firstElementChild.textContent;
  chart.firstElementChild.remove();
  const rows = Number(chart.dataset.rows);
  chart.style.minHeight = (rows ? rows * 25 + 46 : 340) + 'px';
  seen.observe(chart);
}
const again = () => charts.filter(chart => chart.drawn).forEach(draw);
dark.addEventListener('change', again);
let width = innerWidth;
addEventListener('resize', () => { if (innerWidth !== width) { width = innerWidth; again(); } });
for (const box of document.querySelectorAll('.pick input')) box.addEventListener('change', () => {
  box.checked ? off.delete(box.dataset.name) : off.add(box.dataset.name);
  again();
});
