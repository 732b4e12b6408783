// Where an operator's check runs. What could carry something out is gone before the module is read, and long before a picture comes;
// served by Nightlight, the headers of this file forbid connections as well.

for (const name of ["fetch", "XMLHttpRequest", "WebSocket", "WebSocketStream", "EventSource", "WebTransport", "BroadcastChannel", "Worker", "caches", "indexedDB", "importScripts", "Notification"]) {
  Object.defineProperty(self, name, { value: undefined, configurable: false, writable: false });
}

let check = null;
self.onmessage = async ({ data: { number, module, model, bitmap } }) => {
  try {
    if (module) {
      const found = await import(module);
      await found.load?.(model);
      check = found.check;
      if (typeof check !== "function") throw new TypeError("no check");
      self.postMessage({ number });
    } else {
      const { pause } = await check(bitmap);
      self.postMessage({ number, pause });
    }
  } catch {
    self.postMessage({ number, failed: true });
  } finally {
    bitmap?.close();
  }
};
