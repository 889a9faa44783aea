// Everything by which a page can send a request to another server. Each says how it was sent, in ?via=.
// Evaluated in the attacking page; gives back the ways of sending that opened a websocket.
async ([target, posts, more, gets]) => {
  const at = (path, via) => `${target}${path}?via=${via}`;
  const text = JSON.stringify({ prompt: {}, clear: true });
  const upload = () => {
    const data = new FormData();
    data.append("image", new Blob(["x"], { type: "image/png" }), "planted.png");
    return data;
  };
  const quietly = (promise) => Promise.resolve(promise).catch(() => {});
  const add = (tag, properties) => {
    const element = Object.assign(document.createElement(tag), properties);
    (document.body ?? document.documentElement).append(element);
    return element;
  };
  const soon = (started) =>
    Promise.race([quietly(new Promise(started)), new Promise((resolve) => setTimeout(resolve, 10000))]);

  const viaForm = (url, enctype) => {
    const frame = add("iframe", { name: `frame${Math.random()}` });
    const form = add("form", { method: "post", action: url, enctype, target: frame.name });
    const field = document.createElement("input");
    field.name = "image";
    if (enctype === "multipart/form-data") {
      const transfer = new DataTransfer();
      transfer.items.add(new File(["x"], "planted.png", { type: "image/png" }));
      field.type = "file";
      field.files = transfer.files;
    } else {
      field.value = text;
    }
    form.append(field);
    return soon((resolve) => {
      frame.addEventListener("load", resolve);
      form.submit();
    });
  };
  const viaXhr = (url) =>
    soon((resolve) => {
      const request = new XMLHttpRequest();
      request.onloadend = resolve;
      request.open("POST", url);
      request.send(text);
    });
  const viaWorker = (url) =>
    soon((resolve) => {
      const lines = `fetch(${JSON.stringify(url)}, { method: "POST", mode: "no-cors", body: "{}" })`;
      const source = new Blob([`${lines}.finally(() => postMessage(0)).catch(() => {})`], { type: "text/javascript" });
      const worker = new Worker(URL.createObjectURL(source));
      worker.onmessage = worker.onerror = resolve;
    });
  const viaServiceWorker = async (url) => {
    const registration = await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
    return soon((resolve) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = resolve;
      (registration.active ?? registration.waiting ?? registration.installing).postMessage(url, [channel.port2]);
    });
  };
  const viaPing = (url) => {
    const link = add("a", { href: "#here", ping: url, textContent: "a link" });
    link.click();
  };
  const noCors = { method: "POST", mode: "no-cors", credentials: "include", body: text };

  const ways = {
    "no-cors": (path, via) => fetch(at(path, via), noCors),
    keepalive: (path, via) => fetch(at(path, via), { ...noCors, keepalive: true }),
    upload: (path, via) => fetch(at(path, via), { ...noCors, body: upload() }),
    cors: (path, via) => fetch(at(path, via), { method: "POST", body: text, credentials: "include" }),
    preflight: (path, via) =>
      fetch(at(path, via), { method: "POST", headers: { "Content-Type": "application/json" }, body: text }),
    redirect: (path, via) => fetch(`/redirect?to=${encodeURIComponent(at(path, via))}`, noCors),
    xhr: (path, via) => viaXhr(at(path, via)),
    beacon: (path, via) => navigator.sendBeacon(at(path, via), text),
    ping: (path, via) => viaPing(at(path, via)),
    urlencoded: (path, via) => viaForm(at(path, via), "application/x-www-form-urlencoded"),
    plain: (path, via) => viaForm(at(path, via), "text/plain"),
    multipart: (path, via) => viaForm(at(path, via), "multipart/form-data"),
    worker: (path, via) => viaWorker(at(path, via)),
    "service-worker": (path, via) => viaServiceWorker(at(path, via)),
  };
  const shown = {
    img: (url) => soon((resolve) => Object.assign(new Image(), { onload: resolve, onerror: resolve, src: url })),
    script: (url) => soon((resolve) => add("script", { onload: resolve, onerror: resolve, src: url })),
    style: (url) => soon((resolve) => add("link", { onload: resolve, onerror: resolve, rel: "stylesheet", href: url })),
    iframe: (url) => soon((resolve) => add("iframe", { onload: resolve, src: url })),
    object: (url) => soon((resolve) => add("object", { onload: resolve, onerror: resolve, data: url })),
    audio: (url) => soon((resolve) => Object.assign(new Audio(), { onerror: resolve, preload: "auto", src: url })),
    "fetched": (url) => fetch(url, { mode: "no-cors", credentials: "include" }),
    "read": (url) => fetch(url, { credentials: "include" }),
  };
  const opened = [];
  const viaSocket = (path) =>
    soon((resolve) => {
      const socket = new WebSocket(at(path, "socket").replace(/^http/, "ws"));
      socket.onopen = () => (opened.push(path), socket.close());
      socket.onclose = resolve;
    });

  for (const [via, send] of Object.entries(ways)) {
    await Promise.all(posts.map(async (path) => quietly(send(path, via))).map(quietly));
  }
  await Promise.all(more.map((path) => quietly(ways["no-cors"](path, "no-cors"))));
  await Promise.all(gets.flatMap((path) => Object.entries(shown).map(([via, show]) => quietly(show(at(path, via))))));
  await Promise.all(["/ws", "/api/ws"].map(viaSocket).map(quietly));
  return opened;
}
