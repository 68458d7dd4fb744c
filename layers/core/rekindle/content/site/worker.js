// The service worker of the shop's own site: shows a push message, and opens its address at a tap (docs/channels.md). That
// address is a link of ours, which counts the tap and leads on. It stores nothing, and stands between no page and its shop.
(function (config) {
  "use strict";
  const scope = self;
  scope.addEventListener("install", () => scope.skipWaiting());
  scope.addEventListener("push", (event) => {
    let told = {};
    try {
      told = event.data.json().notification || {};
    } catch (error) {
      // Not one of ours: browsers want to see something all the same.
    }
    const shown = { body: told.body, lang: told.lang, dir: told.dir, image: told.image, tag: told.tag };
    event.waitUntil(
      scope.registration.showNotification(told.title || config.name, Object.assign(shown, { data: { url: told.navigate } })),
    );
  });
  scope.addEventListener("notificationclick", (event) => {
    const url = event.notification.data && event.notification.data.url;
    event.notification.close();
    if (/^https?:/.test(url)) event.waitUntil(scope.clients.openWindow(url));
  });
})(CONFIG);
