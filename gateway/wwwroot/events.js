// What both pages read a gateway's streams with.

// Seeds have 64 bits, a JavaScript number 53: those beyond are read as text, and sent as they were typed.
// (Inside a JSON string the quote before the colon would be escaped, so a prompt cannot match.)
export const parse = json => JSON.parse(json.replace(/"seed":\s*(\d{16,})/g, '"seed":"$1"'));

/** Events and comments of a text/event-stream, in order; EventSource cannot POST. */
export async function* readEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', event = '', data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.replace(/\r$/, '');
      if (line === '') {
        if (data.length > 0) yield { event, data: data.join('\n') };
        event = '';
        data = [];
      } else if (line[0] === ':') {
        yield { comment: line.slice(1).trim() };
      } else {
        const [, name, text] = /^([^:]*):? ?([^]*)$/.exec(line);
        if (name === 'event') event = text;
        else if (name === 'data') data.push(text);
      }
    }
  }
}
