// The gateway's page: it draws through the public API and tells how each picture came to be.
// What prompts and answers say reaches the document as text only (textContent, value, alt), never as markup.

import { parse, readEvents } from './events.js';

const $ = id => document.getElementById(id);
const form = $('form'), stage = $('stage');
const field = name => form.elements.namedItem(name);
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const GALLERY = 60;

let mixture;           // the model's name, from /v1/models; without it the gateway takes its own
let pictures = [];     // newest first; state: waiting, queued, drawing, done
let shown = null;      // the picture on the stage
let running = null;    // AbortController of the request that is drawing

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const count = (n, one, many = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
const seconds = ms => `${((ms ?? 0) / 1000).toFixed(2)}\u00a0s`;

// ---- The API ----

class ApiFailure extends Error {
  constructor(message, param, retryAfter) {
    super(message);
    this.param = param;
    this.retryAfter = retryAfter;
  }

  static async of(response) {
    const error = (await response.json().catch(() => null))?.error;
    const after = response.headers.get('Retry-After');
    const wait = after === null ? NaN : /^\d+$/.test(after) ? Number(after) : (Date.parse(after) - Date.now()) / 1000;
    return new ApiFailure(error?.message ?? `The gateway answered with status ${response.status} and no reason.`,
      error?.param, wait > 0 ? Math.ceil(wait) : 0);
  }
}

const NUMBERS = new Set(['n', 'num_inference_steps', 'guidance_scale', 'seed']);

/** The request as JSON. A number that is none goes out as text, so that the API refuses it in its own words. */
function write(request) {
  const members = Object.entries({ ...request, stream: true, partial_images: 2 }).map(([name, value]) => {
    const number = NUMBERS.has(name) && /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value);
    return `${JSON.stringify(name)}:${number ? value : JSON.stringify(value)}`;
  });
  return `{${members.join()}}`;
}

// ---- Drawing ----

function readForm() {
  const request = mixture ? { model: mixture } : {};
  for (const [name, value] of new FormData(form)) {
    const text = name === 'prompt' ? value : value.trim();
    if (name === 'prompt' || text !== '') request[name] = NUMBERS.has(name) ? text.replace(/^0+(?=\d)/, '') : text;
  }
  return request;
}

async function draw() {
  if (running) return;
  clearAlert();
  const request = readForm();
  const before = shown;
  const batch = Array.from({ length: Number(request.n ?? 1) }, () => newPicture(request));
  for (const picture of batch) picture.batch = batch;
  pictures = [...batch, ...pictures];
  $('thumbs').prepend(...batch.map(p => p.item));
  running = new AbortController();
  setRunning(true);
  note('Asking the gateway');
  show(batch[0]);
  if (stage.getBoundingClientRect().top > innerHeight * 0.6) bringToView();
  try {
    await follow(request, batch, running.signal);
    const undone = batch.filter(p => p.state !== 'done').length;
    if (undone > 0) throw new ApiFailure(`The answer ended with ${count(undone, 'image')} missing.`);
    note(summary(batch));
  } catch (failure) {
    if (running.signal.aborted) note('Cancelled.');
    else showAlert(failure);
  } finally {
    running = null;
    setRunning(false);
    dropUnfinished(batch, before);
  }
}

async function follow(request, batch, signal) {
  let response;
  try {
    response = await fetch('v1/images/generations', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: write(request), signal,
    });
  } catch (failure) {
    if (signal.aborted) throw failure;
    throw new ApiFailure('The gateway does not answer. Is it running, and can this browser reach it?');
  }
  if (!response.ok) throw await ApiFailure.of(response);

  for await (const { comment, event, data } of readEvents(response.body)) {
    const live = comment === undefined ? data : comment.startsWith('modm ') ? comment.slice(5) : null;
    if (!live || live === '[DONE]') continue;
    const message = parse(live);
    if (event === 'error' || message.error) throw new ApiFailure(message.error.message, message.error.param);
    const picture = batch[message.index ?? 0];
    if (!picture || picture.state === 'done') continue;
    if (comment !== undefined) progress(picture, message);
    else if (event.endsWith('.partial_image')) preview(picture, message);
    else if (event.endsWith('.completed')) complete(picture, message);
  }
}

function progress(picture, { queued, step, steps, model, eta_seconds: eta }) {
  picture.eta = eta;
  if (step === undefined) {
    picture.state = 'queued';
    picture.position = queued;
    note('Waiting in the queue');
  } else {
    Object.assign(picture, { state: 'drawing', step, steps, by: model ?? picture.by });
    note('Drawing');
  }
  refresh(picture);
}

function preview(picture, message) {
  setImage(picture, message);
  refresh(picture);
}

function complete(picture, message) {
  const story = message.modm ?? {};
  const part = story.images?.[0] ?? {};
  setImage(picture, message);
  Object.assign(picture, { state: 'done', story, part, seed: String(part.seed ?? message.seed ?? '') });
  for (const old of pictures.slice(GALLERY)) if (old.state === 'done' && !shown.batch.includes(old)) drop(old);
  refresh(picture);
}

function setImage(picture, { b64_json, output_format }) {
  const bytes = Uint8Array.from(atob(b64_json), c => c.charCodeAt(0));
  const old = picture.url;
  picture.format = output_format ?? 'png';
  picture.url = URL.createObjectURL(new Blob([bytes], { type: `image/${picture.format}` }));
  if (old) URL.revokeObjectURL(old);
}

function summary(batch) {
  const hits = batch.filter(p => p.story.route === 'hit').length;
  const time = Math.max(...batch.map(p => (p.part.queue_ms ?? 0) + (p.part.generation_ms ?? 0)));
  const what = batch.length === 1 ? `a ${batch[0].story.route}` : count(batch.length, 'image');
  return `Done in ${seconds(time)}: ${what}${batch.length > 1 && hits ? `, ${count(hits, 'hit')}` : ''}.`;
}

function dropUnfinished(batch, before) {
  const lost = batch.filter(p => p.state !== 'done');
  const kept = batch.filter(p => p.state === 'done');
  lost.forEach(drop);
  for (const picture of kept) picture.batch = kept;
  if (lost.includes(shown)) show(kept[0] ?? (pictures.includes(before) ? before : pictures[0] ?? null));
  else if (lost.length > 0 && kept.includes(shown)) show(shown);
}

function drop(picture) {
  pictures = pictures.filter(p => p !== picture);
  picture.item.remove();
  for (const other of picture.batch) other.batch = other.batch.filter(p => p !== picture);
  if (picture.url) URL.revokeObjectURL(picture.url);
}

// ---- The stage: the picture, its progress, its story ----

function newPicture(request) {
  const picture = { request, state: 'waiting' };
  picture.item = element('li', {}, thumb(picture));
  return picture;
}

/** A button that puts a picture on the stage; redrawn by refresh. */
function thumb(picture) {
  const button = element('button', { type: 'button', className: 'thumb' },
    element('img', { alt: '', hidden: true }), element('b', { className: 'badge', hidden: true }));
  button.addEventListener('click', () => {
    show(picture);
    const { top, bottom } = $('picture').getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) bringToView();
  });
  paint(button, picture);
  return button;
}

function paint(button, picture) {
  const [image, badge] = button.children;
  const done = picture.state === 'done';
  if (picture.url && image.src !== picture.url) image.src = picture.url;
  image.hidden = !picture.url;
  badge.hidden = !done;
  if (done) setBadge(badge, picture.story.route);
  button.classList.toggle('unfinished', !done);
  button.setAttribute('aria-current', String(picture === shown));
  const what = done ? picture.story.route ?? 'picture' : 'being drawn';
  button.setAttribute('aria-label', `${what}: ${picture.request.prompt}`);
  button.title = picture.request.prompt;
}

function setBadge(badge, route) {
  badge.textContent = route ?? 'drawn';
  badge.className = `badge ${route === 'hit' ? 'hit' : 'miss'}`;
}

function show(picture) {
  const previous = shown;
  shown = picture;
  if (previous) paint(previous.item.firstChild, previous);
  const batch = picture?.batch ?? [];
  $('batch').hidden = batch.length < 2;
  $('batch').replaceChildren(...(batch.length < 2 ? [] : batch.map(thumb)));
  if (picture) refresh(picture);
  else stage.dataset.state = 'empty';
}

/** Brings what is on the page of this picture up to date: its thumbnails, and the stage when it is there. */
function refresh(picture) {
  paint(picture.item.firstChild, picture);
  if (!shown) return;
  [...$('batch').children].forEach((button, i) => paint(button, shown.batch[i]));
  if (picture !== shown) return;

  const done = picture.state === 'done';
  stage.dataset.state = done ? 'done' : 'drawing';
  for (const quote of stage.querySelectorAll('.quote')) quote.textContent = picture.request.prompt;
  const image = $('image');
  image.hidden = !picture.url;
  image.alt = picture.request.prompt;
  image.classList.toggle('preview', !done);
  if (picture.url && image.src !== picture.url) image.src = picture.url;
  if (!picture.url) drawNoise();
  if (done) tell(picture);
  else showProgress(picture);
}

function showProgress({ state, position, step, steps, by, batch, eta }) {
  const bar = $('bar');
  if (state === 'drawing') {
    bar.max = steps;
    bar.value = step;
    $('phase').textContent = `Step ${step} of ${steps}`;
  } else {
    bar.removeAttribute('value');
    $('phase').textContent = state !== 'queued' ? 'Asking the gateway'
      : (position > 0 ? `Waiting in the queue, place ${position}` : 'Next in the queue')
        + (eta >= 1 ? `, about ${Math.ceil(eta)} s` : '');
  }
  const place = batch.length > 1 ? `Image ${batch.indexOf(shown) + 1} of ${batch.length}` : '';
  $('drawn-by').textContent = [by && `${by} is drawing`, place].filter(Boolean).join(' · ');
}

function tell({ story, part, request, url, format, seed }) {
  const hit = story.route === 'hit';
  const steps = part.steps ?? story.steps ?? 0;
  const skipped = part.skipped_steps ?? story.skipped_steps ?? 0;
  setBadge($('route'), story.route);
  $('similarity').textContent = story.similarity === undefined ? 'nothing to compare with'
    : `similarity ${story.similarity.toFixed(2)}`;
  $('reason').textContent = story.reason ?? '';

  $('source').hidden = !(hit && story.source_image);
  $('source').classList.remove('lost');
  if (hit && story.source_image) {
    const address = `v1/images/${encodeURIComponent(story.source_image)}`;
    $('source-image').alt = story.source_prompt ?? 'the cached picture';
    $('source-image').src = $('source-link').href = address;
    $('source-prompt').textContent = story.source_prompt ?? '';
  }

  const [dark, run] = $('schedule').children;
  dark.style.flexGrow = skipped;
  run.style.flexGrow = steps - skipped;
  $('schedule').style.setProperty('--steps', steps <= 100 ? steps : 50);
  $('steps').textContent = skipped > 0
    ? `The first ${skipped} of ${steps} steps were skipped, the last ${steps - skipped} drawn.`
    : `All ${steps} steps were drawn, none skipped.`;
  $('model').textContent = part.model ?? '';
  $('seed').textContent = seed;
  $('seconds').textContent = `${seconds((part.queue_ms ?? 0) + (part.generation_ms ?? 0))}: `
    + `${seconds(part.queue_ms)} queued + ${seconds(part.generation_ms)} drawing`;
  $('download').href = url;
  const name = request.prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu)?.join('-').slice(0, 60) ?? 'picture';
  $('download').download = `${name}-${seed}.${format}`;
}

/** Fresh noise, as the picture begins; it stands still for those who asked for less motion. */
function drawNoise() {
  const canvas = $('noise');
  if (calm.matches && canvas.dataset.drawn) return;
  canvas.dataset.drawn = 'yes';
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i++) pixels.data[i] = i % 4 === 3 ? 255 : 90 + Math.random() * 130;
  context.putImageData(pixels, 0, 0);
}

function bringToView() {
  stage.scrollIntoView({ behavior: calm.matches ? 'auto' : 'smooth', block: 'start' });
}

/** Draws the shown picture's request once more: with its seed, or with one that the gateway picks. */
function redraw(seed) {
  if (running || !shown) return;
  for (const name of ['prompt', 'negative_prompt', 'num_inference_steps', 'guidance_scale', 'cache', 'size']) {
    const input = field(name);
    input.value = shown.request[name] ?? input.options?.[0].value ?? '';
  }
  field('n').value = '1';
  field('seed').value = seed;
  markChanged();
  draw();
}

// ---- The form ----

function note(text) {
  if ($('note').textContent !== text) $('note').textContent = text;   // read aloud once a change
}

function setRunning(on) {
  form.classList.toggle('running', on);
  // Not the disabled attribute: a button that loses it keeps the keyboard's focus.
  for (const id of ['draw', 'again', 'anew']) $(id).setAttribute('aria-disabled', String(on));
  if (!on && document.activeElement === $('cancel')) $('prompt').focus();
  $('cancel').hidden = !on;
}

let countdown;

function showAlert(failure) {
  note('');
  const message = failure.message;
  const bad = [...form.elements].filter(e => e.name && (e.name === failure.param || mentions(message, e.name)));
  const names = bad.map(e => e.name === 'prompt' ? 'Prompt' : e.labels[0].firstChild.textContent.trim());
  const title = bad.length === 0 ? 'This did not work' : `Please look at: ${names.join(', ')}`;
  $('alert').replaceChildren(element('strong', { textContent: title }), element('p', { textContent: message }));
  for (const input of bad) {
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', 'alert');
  }
  if (bad.some(e => e.name !== 'prompt')) $('options').open = true;
  bad[0]?.focus();
  if (failure.retryAfter > 0) countDown(failure.retryAfter);
}

/** Messages name each field that they refuse, as in "seed: -1 is not a whole number." */
const mentions = (message, name) => new RegExp(`(^|\\s)${name}: `).test(message);

function countDown(left) {
  const retry = $('retry');
  const tick = () => {
    retry.textContent = left > 0 ? `Try again in ${left} s` : 'Try again';
    retry.setAttribute('aria-disabled', String(left > 0));
    if (left-- <= 0) clearInterval(countdown);
  };
  retry.hidden = false;
  countdown = setInterval(tick, 1000);
  tick();
}

function clearAlert() {
  clearInterval(countdown);
  $('retry').hidden = true;
  $('alert').replaceChildren();
  for (const input of form.querySelectorAll('[aria-invalid]')) {
    input.removeAttribute('aria-invalid');
    if (input.name === 'prompt') input.setAttribute('aria-describedby', 'keys');
    else input.removeAttribute('aria-describedby');
  }
}

/** Says on the closed options how many of them are not at their default. */
function markChanged() {
  const changed = [...form.elements].filter(e => e.name && e.name !== 'prompt'
    && (e.options ? e.selectedIndex > 0 : e.value.trim() !== '')).length;
  $('changed').textContent = changed > 0 ? `${changed} changed` : '';
}

form.addEventListener('submit', event => {
  event.preventDefault();
  draw();
});
form.addEventListener('input', markChanged);
form.addEventListener('keydown', event => {
  const typing = event.target === $('prompt') || event.ctrlKey || event.metaKey;
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing || !typing) return;
  event.preventDefault();
  draw();
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && !event.isComposing) running?.abort();
});
for (const id of ['cancel', 'stop']) $(id).addEventListener('click', () => running?.abort());
$('retry').addEventListener('click', () => $('retry').getAttribute('aria-disabled') === 'false' && draw());
$('again').addEventListener('click', () => redraw(shown.seed));
$('anew').addEventListener('click', () => redraw(''));
$('source-image').addEventListener('error', () => $('source').classList.add('lost'));
$('examples').addEventListener('click', event => {
  const example = event.target.closest('button');
  if (!example) return;
  $('prompt').value = example.textContent;
  $('draw').focus();   // so that Enter draws, and a phone does not open its keyboard
});

// ---- The live strip ----

let timer, asking = false;

async function watch() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  try {
    const response = await fetch('v1/status', { signal: AbortSignal.timeout(5000), cache: 'no-store' });
    if (!response.ok) throw new Error(`status ${response.status}`);
    showStatus(await response.json());
  } catch {
    $('live').dataset.state = 'lost';
    setText($('live-text'), 'gateway does not answer');
  } finally {
    asking = false;
    timer = setTimeout(watch, 1000);
  }
}

function showStatus({ mixture: name, steps, queue, workers, requests, cache, sizes, stories, quality, ledger }) {
  $('stories').hidden = !stories;
  if (!mixture) findModel();
  $('live').dataset.state = 'live';
  setText($('live-text'), name ?? 'live');
  setText($('live-queue'), `${count(queue.miss, 'miss', 'misses')}, ${count(queue.hit, 'hit')}`);
  const known = requests.total > 0 && requests.hit_rate !== undefined;
  setText($('live-rate'), known ? `${Math.round(requests.hit_rate * 100)} %` : '–');
  showQuality(quality);
  showSavings(ledger);
  setText($('live-requests'), requests.total.toLocaleString('en'));
  setText($('live-cache'), cache.entries.toLocaleString('en'));
  showWorkers(workers ?? []);
  if (steps) field('num_inference_steps').placeholder = String(steps);
  offerSizes(sizes ?? []);
}

/** How hits compare with what the large model draws instead. */
function showQuality(quality) {
  const [text, ...known] = quality ? [quality.ratio, quality.low, quality.high].map(n => n?.toFixed(2)) : [];
  const raised = quality?.raised_by > 0 ? `, thresholds +${quality.raised_by}` : '';
  const range = known[0] ? ` (${known.join('–')})` : '';
  figure($('live-quality'), text || raised ? `${text ?? '–'}${range}${raised}` : null, quality && 'CLIP score of the hits over that of the '
    + `large model's own pictures for the same requests, with its 95 % interval, from ${count(quality.samples, 'sample')}: ${quality.reason}.`);
}

/** What hits have saved, beside the large model drawing all of it. */
function showSavings(ledger) {
  const seconds = ledger?.gpu_seconds_saved;
  figure($('live-saved'), !ledger?.hits ? null : count(ledger.steps_saved, 'step')
    + (seconds == null ? '' : `, ${seconds.toLocaleString('en', { maximumFractionDigits: Math.abs(seconds) < 10 ? 1 : 0 })}\u00a0GPU-s`),
    'Steps that hits skipped, and the seconds that the large model would have taken for all of them less those that were spent.');
}

/** A figure of the strip that is there only when it says something. */
function figure(node, text, title) {
  node.parentNode.hidden = text === null;
  if (text === null) return;
  setText(node, text);
  if (node.title !== title) node.title = title;
}

function showWorkers(workers) {
  const key = JSON.stringify(workers.map(w => [w.pool, w.model, w.state]));
  if ($('live-workers').dataset.key === key) return;
  $('live-workers').dataset.key = key;
  const pools = ['large', 'small'].map(pool => {
    const members = workers.filter(w => w.pool === pool);
    const states = [...new Set(members.map(w => w.state))]
      .map(state => `${members.filter(w => w.state === state).length} ${state}`).join(', ');
    const dots = members.map(w => element('span',
      { className: `worker ${pool} ${w.state}`, title: `${w.model}: ${w.state}` }));
    const group = element('span', { className: 'pool', title: `${pool}: ${states || 'none'}` }, `${pool} `, ...dots);
    group.append(element('span', { className: 'unseen', textContent: states || 'none' }));
    if (members.length === 0) group.append('0');
    return group;
  });
  $('live-workers').replaceChildren(...pools);
}

function offerSizes(sizes) {
  const select = field('size');
  $('size').hidden = sizes.length < 2;
  if (sizes.length < 2 || select.options.length === sizes.length + 1) return;
  select.replaceChildren(...['auto', ...sizes].map(size => element('option', { value: size, textContent: size })));
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

async function findModel() {
  const list = await fetch('v1/models').then(r => r.ok ? r.json() : null).catch(() => null);
  mixture = list?.data?.[0]?.id;
}

document.addEventListener('visibilitychange', watch);
drawNoise();
watch();
