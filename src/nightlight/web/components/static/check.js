// The optional picture check. An operator's module, with its model, on their own origin; run in a worker that has no way out. Loaded when
// first used.

const LONGEST_MS = 20_000;
const MOST_SIDE = 1024;
const running = new Map();

// Whether the check at `module` lets all of them pass: files or decoded <img>. Rejects where it could not say.
export async function passes(module, model, sources) {
  const pauses = await started(module, model);
  for (const source of sources) if (await pauses(await small(source))) return false;
  return true;
}

async function small(source) {
  const whole = await createImageBitmap(source);
  const scale = MOST_SIDE / Math.max(whole.width, whole.height);
  if (scale >= 1) return whole;
  const size = { resizeWidth: Math.max(1, Math.round(whole.width * scale)), resizeHeight: Math.max(1, Math.round(whole.height * scale)) };
  return createImageBitmap(whole, size).finally(() => whole.close());
}

function ours(address) {
  const url = new URL(address, document.baseURI);
  if (url.origin !== location.origin) throw new Error("a check and its model come from this page's own origin");
  return url.href;
}

function started(module, model) {
  const key = `${module} ${model}`;
  if (!running.has(key)) {
    const found = start(module, model);
    found.catch(() => running.delete(key));
    running.set(key, found);
  }
  return running.get(key);
}

async function start(module, model) {
  const [at, from] = [ours(module), model && ours(model)];
  // Fetched here, before there is a picture: the worker itself can fetch nothing.
  const bytes = from ? await fetch(from, { credentials: "omit", referrerPolicy: "no-referrer" }).then((a) => (a.ok ? a.arrayBuffer() : Promise.reject(new Error("no model")))) : null;
  const worker = new Worker(new URL("check-worker.js", import.meta.url), { type: "module" });
  let number = 0, dead = null;
  const waiting = new Map();
  const fail = (error) => {
    dead = error;
    worker.terminate();
    running.delete(`${module} ${model}`);
    for (const { reject } of waiting.values()) reject(error);
  };
  worker.onerror = (event) => { event.preventDefault(); fail(new Error("the check could not be run")); };
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = waiting.get(data.number) ?? {};
    if (data.failed) reject?.(new Error("the check failed"));
    else resolve?.(data.pause !== false);
  };
  const ask = (message, carried) => new Promise((resolve, reject) => {
    if (dead) return reject(dead);
    const mine = number++;
    const late = setTimeout(() => fail(new Error("the check took too long")), LONGEST_MS);
    const settle = (act) => (value) => { clearTimeout(late); waiting.delete(mine); act(value); };
    waiting.set(mine, { resolve: settle(resolve), reject: settle(reject) });
    worker.postMessage({ number: mine, ...message }, carried);
  });
  try { await ask({ module: at, model: bytes }, bytes ? [bytes] : []); } catch (error) { fail(error); throw error; }
  return (bitmap) => ask({ bitmap }, [bitmap]);
}
