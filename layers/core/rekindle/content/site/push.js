// Asks a visitor whether this browser may show them messages: fetched by rekindle.js when the shop asks, and never before
// (docs/site.md). The permission that the browser then asks for is the consent, and nobody can give it but who sits there.
(function (config) {
  "use strict";
  const n = navigator;
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));

  // Resolves to what came of it: `granted`, `denied` (for good, as browsers have it), `default` (the question was closed)
  // or `unsupported`. `tell` sends what the push service needs to reach this browser.
  window.rekindle.ask = function (tell) {
    if (!config.key || !n.serviceWorker || !window.PushManager || !window.Notification) return Promise.resolve("unsupported");
    return Promise.resolve(Notification.requestPermission()).then((said) => {
      if (said !== "granted") return said;
      return n.serviceWorker
        .register(config.worker)
        .then((made) => ready(made).then(() => made.pushManager.getSubscription().then((known) => known || subscribe(made))))
        .then((subscription) => tell(subscription.toJSON()))
        .then(() => said);
    });
  };
  const subscribe = (made) => made.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(config.key) });
  const ready = (made) =>
    new Promise((done) => {
      const worker = made.installing || made.waiting;
      if (made.active || !worker) return done();
      worker.onstatechange = () => worker.state === "activated" && done();
    });
})(CONFIG);
