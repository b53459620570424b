// The API key, where a gateway asks for one. It is kept for this tab only, and goes to this gateway's API only.

const KEPT = 'modm.key';
const part = document.getElementById('key'), input = part.querySelector('input');

function kept() {
  try {
    return sessionStorage.getItem(KEPT) ?? '';
  } catch {   // a browser that keeps nothing: what is in the field
    return '';
  }
}

input.value = kept();
part.hidden = input.value === '';
input.addEventListener('input', () => {
  try {
    sessionStorage.setItem(KEPT, input.value.trim());
  } catch { /* the field has it */ }
});
// Enter is not the form's here: there may be nothing to draw yet.
input.addEventListener('keydown', event => event.key === 'Enter' && event.preventDefault());

/** As fetch, with the key. Where the gateway refuses it, or there is none, the field for it appears. */
export async function ask(address, options = {}) {
  const key = input.value.trim();
  const headers = key === '' ? options.headers : { ...options.headers, Authorization: `Bearer ${key}` };
  const response = await fetch(address, { ...options, headers });
  if (response.status === 401) part.hidden = false;
  return response;
}
