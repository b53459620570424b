// The writing place: it asks the gateway for endings, shows them as they are written, and says who wrote them and why.
// What people and models write reaches the document as text only (textContent, value, alt), never as markup.

import { parse, readEvents } from '../events.js';
import { ask } from '../key.js';

const $ = id => document.getElementById(id);
const form = $('form'), prompt = $('prompt'), button = $('write');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const api = path => new URL(`../v1/${path}`, import.meta.url);
const KEPT = 'modm.stories';

let ready = false;     // a story mixture is served here, and its models are known
let running = null;    // AbortController of the ending that is being written
let wanted;            // the model chosen last time, until the models are known
let timer;             // of the next look for models
let asked = null;      // the request behind the newest ending

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;   // read aloud once a change
}

// ---- The API ----

class ApiFailure extends Error {
  static async of(response) {
    const error = (await response.json().catch(() => null))?.error;
    const wait = Number(response.headers.get('Retry-After'));
    const message = error?.message ?? `The gateway answered with status ${response.status} and no reason.`;
    return new ApiFailure(wait > 0 ? `${message}\nTry again in ${Math.ceil(wait)} s.` : message);
  }
}

// ---- Writing ----

function readForm() {
  return {
    prompt: prompt.value,
    sentences: Number($('sentences').value),
    model: $('model').value || wanted,   // while there is neither, JSON leaves it out
    illustrate: $('illustrate').checked,
  };
}

async function write(request) {
  if (running) return;
  clearAlert();
  if (request.prompt.trim() === '') {
    prompt.setAttribute('aria-invalid', 'true');
    prompt.focus();
    return showAlert('There is no beginning yet: write one, or take one of the examples.');
  }
  if (!ready) return setText($('note'), 'Not yet: no model for stories has answered.');
  running = new AbortController();
  const ending = newEnding(request);
  setRunning(true);
  setText($('note'), 'Writing');
  $('endings').prepend(ending.item);
  $('told').dataset.state = 'told';
  // Only as far as it takes, so that the form's Stop stays in sight too where both fit.
  ending.item.scrollIntoView({ behavior: calm.matches ? 'auto' : 'smooth', block: 'nearest' });
  try {
    await follow(request, ending, running.signal);
    if (!ending.done) throw new ApiFailure('The answer stopped before its ending was complete.');
    if (ending.figure && !ending.pictured) loseImage(ending, 'the answer stopped before it was drawn.');
    setText($('note'), `Done in ${seconds({ started: ending.started })}.`);
  } catch (failure) {
    if (running.signal.aborted) setText($('note'), 'Stopped.');
    else showAlert(failure.message);
    leaveUnfinished(ending, running.signal.aborted ? 'stopped' : 'broke off');
  } finally {
    running = null;
    setRunning(false);
  }
}

async function follow(request, ending, signal) {
  let response;
  try {
    response = await ask(api('stories/endings'), {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, signal,
      body: JSON.stringify({ ...request, stream: true }),
    });
  } catch (failure) {
    if (signal.aborted) throw failure;
    throw new ApiFailure('The gateway does not answer. Is it running, and can this browser reach it?');
  }
  if (response.status === 404 || response.status === 503) findModels();   // has the mixture gone, or changed?
  if (!response.ok) throw await ApiFailure.of(response);

  for await (const { event, data } of readEvents(response.body)) {
    if (data === undefined) continue;   // a comment
    const message = parse(data);
    if (event === 'story.image.failed') loseImage(ending, message.error?.message ?? 'no reason was given.');
    else if (event === 'error' || message.error) throw new ApiFailure(message.error?.message ?? 'No reason was given.');
    else if (event === 'story.ending.delta') setWords(ending, ending.text + message.delta);
    else if (event === 'story.ending.completed') complete(ending, message);
    else if (event === 'story.image.completed') setImage(ending, message);
  }
}

// ---- An ending, and its picture ----

function newEnding(request) {
  const item = $('ending').content.firstElementChild.cloneNode(true);
  const [article, beginning, words, figure, why, copy] =
    ['article', '.beginning', '.words', 'figure', '.why', 'button'].map(part => item.querySelector(part));
  const ending = { request, item, article, words, figure, why, copy, text: '', started: performance.now() };
  beginning.textContent = request.prompt.trim();
  if (!request.illustrate) removeFrame(ending);
  copy.addEventListener('click', () => copyWords(ending));
  return ending;
}

const seconds = ({ started, ended }) => `${(((ended ?? performance.now()) - started) / 1000).toFixed(1)}\u00a0s`;

function setWords(ending, text) {
  ending.text = text;
  ending.words.textContent = text.trimStart();   // the space after the beginning is there already
}

function complete(ending, { ending: text, model, seed, modm }) {
  ending.done = true;
  ending.ended = performance.now();
  setWords(ending, text);
  const route = [modm?.route, modm?.reason].filter(Boolean).join(': ');
  tell(ending, [model, route, seconds(ending), seed === undefined ? '' : `seed ${seed}`]);
  if (!ending.figure) return;
  ending.figure.querySelector('p').textContent = 'Drawing the picture';
  ending.figure.querySelector('progress').hidden = false;
  setText($('note'), 'Drawing the picture');
}

function tell(ending, parts) {
  asked = ending.request;
  ending.article.removeAttribute('aria-busy');
  ending.why.textContent = parts.filter(Boolean).join(' · ');
  ending.copy.hidden = false;
}

function leaveUnfinished(ending, how) {
  if (!ending.pictured) removeFrame(ending);
  if (ending.done) return;
  if (ending.text.trim() !== '') return tell(ending, [how, `after ${seconds(ending)}`]);
  ending.item.remove();
  if (!$('endings').hasChildNodes()) $('told').dataset.state = 'empty';
}

function removeFrame(ending) {
  ending.figure?.remove();
  ending.figure = null;
}

function setImage(ending, { b64_json }) {
  if (!ending.figure) return;
  const bytes = Uint8Array.from(atob(b64_json), c => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: 'image/png' }));
  ending.figure.firstElementChild.replaceChildren(element('img', { src: url, alt: ending.text.trim() }));
  ending.pictured = true;
}

function loseImage(ending, reason) {
  removeFrame(ending);
  const lost = element('p', { className: 'missing', textContent: `No picture: ${reason}` });
  lost.setAttribute('role', 'alert');
  ending.article.append(lost);
}

async function copyWords(ending) {
  try {
    await navigator.clipboard.writeText(ending.text.trim());
  } catch {   // no clipboard without https, or none allowed
    getSelection().selectAllChildren(ending.words);
    if (!document.execCommand('copy')) return;
  }
  setText(ending.copy, 'Copied');
  setTimeout(() => setText(ending.copy, 'Copy'), 1500);
}

// ---- The form ----

function setRunning(on) {
  form.classList.toggle('running', on);
  setText(button, on ? 'Stop' : 'Write an ending');
  button.classList.toggle('primary', !on);
  // Not the disabled attribute: a button that loses it keeps the keyboard's focus.
  button.setAttribute('aria-disabled', String(!on && !ready));
  $('another').setAttribute('aria-disabled', String(on || !ready));
}

function showAlert(message) {
  setText($('note'), '');
  $('alert').replaceChildren(element('strong', { textContent: 'This did not work' }),
    element('p', { textContent: message }));
}

function clearAlert() {
  $('alert').replaceChildren();
  prompt.removeAttribute('aria-invalid');
}

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(readForm()));
  } catch { /* a browser that keeps nothing still writes */ }
}

function restore() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    prompt.value = kept.prompt ?? '';
    if (kept.sentences >= 1 && kept.sentences <= 10) $('sentences').value = kept.sentences;
    $('illustrate').checked = kept.illustrate === true;
    wanted = kept.model;
  } catch { /* nothing readable was kept: the page starts as new */ }
}

form.addEventListener('submit', event => {
  event.preventDefault();
  if (running) running.abort();
  else write(readForm());
});
form.addEventListener('input', keep);
button.addEventListener('click', event => event.detail > 1 && event.preventDefault());   // a double click is no Stop
prompt.addEventListener('keydown', event => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  event.preventDefault();
  write(readForm());
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && !event.isComposing) running?.abort();
});
$('another').addEventListener('click', () => write({ ...asked, seed: Math.floor(Math.random() * 2 ** 31) }));
$('examples').addEventListener('click', event => {
  const example = event.target.closest('button');
  if (!example) return;
  prompt.value = example.textContent.replace(/\s+/g, ' ');
  clearAlert();
  keep();
  button.focus();   // so that Enter writes, and a phone does not open its keyboard
});

// ---- The models ----

async function findModels() {
  clearTimeout(timer);
  const response = await ask(api('stories/models'), { cache: 'no-store' }).catch(() => null);
  const ids = response?.ok ? (await response.json().catch(() => null))?.data?.map(m => m.id) ?? [] : [];
  if (!ready && ids.length > 0 && !running) setText($('note'), '');   // it may say: not yet
  ready = ids.length > 0;
  if (ready) offer(ids);
  else timer = setTimeout(findModels, 2000);
  $('live').dataset.state = ready ? 'live' : response?.status === 503 ? 'starting' : 'lost';
  setText($('live-text'), ready ? ids[0]
    : !response ? 'The gateway does not answer.'
    : response.status === 503 ? 'The stories are starting.'
    : response.status === 401 ? 'This gateway asks for an API key.'
    : response.ok || response.status === 404 ? 'No story mixture is served here.'
    : `The gateway answered with status ${response.status}.`);
  setRunning(running !== null);
}

function offer(ids) {
  const model = $('model'), chosen = model.value || wanted;
  model.replaceChildren(...ids.map((id, i) =>
    element('option', { value: id, textContent: i === 0 ? `${id} (best available)` : id })));
  if (ids.includes(chosen)) model.value = chosen;
  wanted = undefined;
}

restore();
findModels();
