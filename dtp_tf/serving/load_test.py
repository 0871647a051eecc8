"""How fast a model server answers at stated concurrency, and whether every answer is right.

A closed loop: so many workers, each a thread with a connection of its own, send one request after
another. Requests are made before the clock starts; answers are checked outside a request's
latency, but by the worker, before its next request.
"""

import collections
import math
import threading
import time

import numpy as np

from dtp_tf.errors import SettingError, UserError
from dtp_tf.serving.asking import ranking
from dtp_tf.serving.client import ServerError
from dtp_tf.serving.connecting import connect

TOLERANCE = 1e-5  # of scores among the server's own answers, which batching may round otherwise
TOLERANCE_LOCAL = 1e-4  # of scores computed here, on another processor
MAX_WORKERS = 1_000  # threads, with a connection each
MAX_ERRORS = 100  # failures at one concurrency that end it


def load_test(
    url,
    images,
    concurrency,
    duration=None,
    requests=None,
    batch_size=1,
    expected=None,
    **connection,
):
    """Ask a server again and again.

    Args:
        url: of the model; see `dtp_tf.serving.client.connect`.
        images: encoded images, bytes each.
        concurrency: numbers of workers, measured one after the other.
        duration: seconds for each.
        requests: how many requests at each, instead.
        batch_size: images per request.
        expected: the right answer to each image, (classes, scores) with the best k or more; by
            default the server's first answers.
        connection: `version`, `label`, `timeout` of `connect`.

    Returns:
        A dict for JSON: "url", "batch_size", "images", "checked_against" ("first answers" or "local
        run"), and "levels", a dict for each concurrency: "concurrency", "requests" (answered and
        checked), "seconds", "requests_per_second", "images_per_second", "latency_ms" ("p50",
        "p90", "p99", "max"; None without an answer), "wrong" (answers), "first_wrong" (a
        sentence, or None), "errors" (failures by kind), "first_error" and "cut_short" (whether
        `MAX_ERRORS` failures ended it).

    Raises:
        UserError: the server does not answer at all.
        SettingError: numbers that make no test.
    """
    if (duration is None) == (requests is None):
        raise SettingError("a load test needs either a duration or a number of requests.")
    if not concurrency or min(concurrency) < 1:
        raise SettingError(f"concurrency must be whole numbers from 1, got {concurrency}.")
    if max(concurrency) > MAX_WORKERS:
        most = max(concurrency)
        raise SettingError(f"concurrency must be at most {MAX_WORKERS:,}, got {most:,}.")
    if not images:
        raise SettingError("a load test needs at least one image.")
    batches = [
        [(start + i) % len(images) for i in range(batch_size)]
        for start in range(0, len(images), batch_size)
    ]
    with connect(url, **connection) as client:
        _, signatures = client.signatures()
        if "image_bytes" not in signatures:
            raise UserError(
                f"{client.address.which()} has no signature image_bytes, by which a load test "
                "asks; serve a newer export."
            )
        bodies = [
            client.prepare("image_bytes", {"image_bytes": [images[i] for i in batch]})
            for batch in batches
        ]
        # Each once: it warms the server up, and gives what the answers are held against.
        first = [ranking(client.send(body), batch_size, client.address) for body in bodies]
    right, tolerance = first, TOLERANCE
    if expected is not None:
        right = [[expected[i] for i in batch] for batch in batches]
        tolerance = TOLERANCE_LOCAL
    levels = [
        _Level(url, connection, bodies, right, tolerance, workers).run(duration, requests)
        for workers in concurrency
    ]
    for level in levels:
        level["images_per_second"] = level["requests_per_second"] * batch_size
    return {
        "url": url,
        "batch_size": batch_size,
        "images": len(images),
        "checked_against": "first answers" if expected is None else "local run",
        "levels": levels,
    }


def difference(answered, right, tolerance):
    """Return what is wrong with the answer to one image, or None.

    Classes whose right scores are closer than the tolerance may change places.

    Args:
        answered: (classes, scores), best first.
        right: the same, with as many classes or more.
        tolerance: of a score.
    """
    (classes, scores), (right_classes, right_scores) = answered, right
    if len(classes) > len(right_classes) or len(set(classes)) < len(classes):
        return f"{len(classes)} classes ({', '.join(classes)}) instead of {len(right_classes)}"
    known = dict(zip(right_classes, right_scores, strict=True))
    for place, (name, score) in enumerate(zip(classes, scores, strict=True)):
        # A class that is not known here may be level with the last one that is.
        expected = known.get(name, right_scores[-1])
        if abs(score - right_scores[place]) > tolerance or abs(score - expected) > tolerance:
            return (
                f"class {place + 1} is {name!r} with {score:.6f} instead of "
                f"{right_classes[place]!r} with {right_scores[place]:.6f}"
            )
    return None


class _Level:
    """One concurrency: its workers and what they have seen."""

    def __init__(self, url, connection, bodies, right, tolerance, workers):
        self.url, self.connection = url, {**connection, "retries": 0}
        self.bodies, self.right, self.tolerance = bodies, right, tolerance
        self.workers = workers
        self.latencies, self.wrong, self.errors = [], 0, collections.Counter()
        self.first_wrong = self.first_error = self.failure = None
        self.cut_short = False
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._sent = 0

    def run(self, duration, requests):
        """Return the measured numbers as a dict."""
        self._most = math.inf if requests is None else requests
        self._seconds = math.inf if duration is None else duration
        begin = threading.Barrier(self.workers + 1)
        clients = [connect(self.url, **self.connection) for _ in range(self.workers)]
        threads = [
            threading.Thread(target=self._work, args=(client, begin), daemon=True)
            for client in clients
        ]
        for thread in threads:
            thread.start()
        try:
            begin.wait()
            start = time.perf_counter()
            for thread in threads:
                thread.join()
        finally:  # also at Ctrl-C
            self._stop.set()
        seconds = time.perf_counter() - start
        if self.failure is not None:
            raise self.failure
        percentiles = None
        if self.latencies:
            p50, p90, p99 = np.percentile(self.latencies, (50, 90, 99)) * 1000
            percentiles = {"p50": float(p50), "p90": float(p90), "p99": float(p99)}
            percentiles["max"] = max(self.latencies) * 1000
        return {
            "concurrency": self.workers,
            "requests": len(self.latencies),
            "seconds": seconds,
            "requests_per_second": len(self.latencies) / seconds,
            "latency_ms": percentiles,
            "wrong": self.wrong,
            "first_wrong": self.first_wrong,
            "errors": dict(self.errors),
            "first_error": self.first_error,
            "cut_short": self.cut_short,
        }

    def _work(self, client, begin):
        with client:
            begin.wait()
            end = time.monotonic() + self._seconds
            try:
                while time.monotonic() < end and not self._stop.is_set():
                    number = self._next()
                    if number is None:
                        break
                    self._request(client, number % len(self.bodies))
            except BaseException as error:  # shown by `run`; a thread's own would be lost
                self.failure = error
                self._stop.set()

    def _next(self):
        with self._lock:
            if self._sent >= self._most:
                return None
            self._sent += 1
            return self._sent - 1

    def _request(self, client, which):
        start = time.perf_counter()
        try:
            outputs = client.send(self.bodies[which])
            latency = time.perf_counter() - start
            answered = ranking(outputs, len(self.right[which]), client.address)
        except ServerError as error:
            with self._lock:
                self.errors[error.kind] += 1
                self.first_error = self.first_error or str(error)
                if sum(self.errors.values()) >= MAX_ERRORS:
                    self.cut_short = True
                    self._stop.set()
            return
        pairs = zip(answered, self.right[which], strict=True)
        found = [difference(one, right, self.tolerance) for one, right in pairs]
        bad = next((text for text in found if text), None)
        with self._lock:
            self.latencies.append(latency)
            if bad is not None:
                self.wrong += 1
                self.first_wrong = self.first_wrong or bad


def check_load_test(result):
    """Raise `UserError` if an answer was wrong, or a level had none or was cut short."""
    wrong = sum(level["wrong"] for level in result["levels"])
    total = sum(level["requests"] for level in result["levels"])
    if wrong:
        first = next(level["first_wrong"] for level in result["levels"] if level["wrong"])
        raise UserError(
            f"{wrong} of {total} answers differ from the {result['checked_against']}: {first}."
        )
    for level in result["levels"]:
        if not level["requests"]:
            raise UserError(
                f"no request was answered at concurrency {level['concurrency']}: "
                f"{level['first_error'] or 'there was no time for one.'}"
            )
        if level["cut_short"]:
            raise UserError(
                f"{sum(level['errors'].values())} failures cut the load test at concurrency "
                f"{level['concurrency']} short: {level['first_error']}"
            )
