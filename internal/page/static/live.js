// What the daemon tells by itself, and whether it still does.

const silence = 8000; // several events would have come by then

// live calls changed with {status, backfills, lost}: the last that was told, and
// since when there has been nothing.
export function live(changed) {
  const now = { status: null, backfills: null, lost: null };
  let source, heard = Date.now(), again;
  const tell = () => changed(now);
  const hear = (name) => (message) => {
    now[name] = JSON.parse(message.data);
    heard = Date.now();
    now.lost = null;
    tell();
  };
  const connect = () => {
    clearTimeout(again);
    source?.close();
    source = new EventSource("/api/v1/events");
    source.addEventListener("status", hear("status"));
    source.addEventListener("backfills", hear("backfills"));
    source.addEventListener("error", () => {
      lose();
      // A browser gives up for good after an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) again = setTimeout(connect, 3000);
    });
  };
  const lose = () => {
    if (now.lost !== null) return;
    now.lost = heard;
    tell();
  };
  let tried = Date.now();
  setInterval(() => {
    const silent = Date.now() - heard > silence;
    if (silent) lose();
    if (silent && Date.now() - tried > silence) {
      tried = Date.now(); // a connection that hangs is given up
      connect();
    }
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && source.readyState === EventSource.CLOSED) connect();
  });
  connect();
}
