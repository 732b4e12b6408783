"""`nightlight bench`: measurements, each with what it is compared with in the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nightlight.app.cli.common import Json, emit, table

app = typer.Typer(help="Measure this machine, with the comparison beside it.", no_args_is_help=True)


@app.callback()
def _bench() -> None:
    """Measure this machine, with the comparison beside it."""


@app.command()
def events(
    seconds: Annotated[float, typer.Option(min=1, help="Length of each of the two loads.")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, help="Connections at full load.")] = 4,
    as_json: Json = False,
) -> None:
    """Chat events over HTTP into the durable store, and the bare rate of the same rows."""
    from nightlight.app.bench.events import run

    result = run(seconds, connections, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"{result.events_per_second:,.0f} events/s over HTTP in batches of 50, each answered after a durable commit")
    typer.echo(
        f"single event at half load ({result.half_load_events_per_second:,.0f}/s): p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms"
    )
    typer.echo(f"{result.commits_per_second:,.0f} commits/s of {result.events_per_commit:.0f} events")
    typer.echo(f"bare inserts of the same rows: {result.bare_inserts_per_second:,.0f} events/s; ratio {result.bare_insert_ratio:.3f}")
    typer.echo(f"{result.machine}, {result.date}")


@app.command()
def uploads(
    seconds: Annotated[float, typer.Option(min=1, help="Length of the load.")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, max=8, help="Connections that upload, one picture after another.")] = 4,
    as_json: Json = False,
) -> None:
    """One-megapixel JPEGs uploaded over HTTP to a real service, each decoded, hashed, looked up and durably decided."""
    from nightlight.app.bench.uploads import run

    result = run(seconds, connections, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"{result.uploads_per_second:.1f} uploads a second of {result.megapixels:.1f} megapixels and {result.bytes_each:,} bytes")
    typer.echo(f"answered within {result.p50_ms:.0f} ms (p50), {result.p99_ms:.0f} ms (p99), on {result.connections} connections")
    if result.service_cpu_ms is not None:
        typer.echo(f"processor time of the service and its decoders: {result.service_cpu_ms:.1f} ms an upload")
    typer.echo(f"{result.jobs} took longer and became jobs; {result.matched} of {result.sent} were found in the bank")
    typer.echo(f"{result.machine}, {result.date}; the client runs on the same cores")


@app.command()
def index(
    size: Annotated[int, typer.Option(min=1000, help="Hashes; ten million take about 4 GB of memory and 3 GB of disk.")] = 1_000_000,
    as_json: Json = False,
) -> None:
    """Exact search among many hashes, and faiss BinaryFlat over the same ones."""
    from nightlight.app.bench.index import run

    result = run(size, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"{result.size:,} hashes: built in {result.build_s:.1f} s, opened in {result.open_s * 1000:.0f} ms")
    typer.echo(f"one question: p50 {result.p50_ms:.3f} ms, p99 {result.p99_ms:.3f} ms; batches: {result.queries_per_second:,.0f} a second")
    typer.echo(
        f"recall {result.recall:.4f}; {result.bytes_per_hash:.0f} bytes a hash in memory; changes visible in {result.add_visible_ms:.1f} ms"
    )
    if result.ratio_to_faiss_flat is None:
        typer.echo(result.message)
    else:
        typer.echo(f"faiss BinaryFlat: p50 {result.peer_p50_ms:.2f} ms; {result.ratio_to_faiss_flat:.0f} times as long")
    typer.echo(f"{result.machine}, {result.date}")


@app.command(name="hash")
def hash_(
    files: Annotated[int, typer.Option(min=1, help="Invented pictures of each size.")] = 6,
    repeats: Annotated[int, typer.Option(min=1, help="Times each is hashed.")] = 5,
    video_s: Annotated[int, typer.Option("--video-seconds", min=2, help="Length of the invented video.")] = 12,
    as_json: Json = False,
) -> None:
    """Pictures and video hashed on one core, and the time python-threatexchange takes for the same pictures."""
    from nightlight.app.bench.hash import run

    result = run(files, repeats, video_s, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    for name, ratio, ours, peer in (
        ("12 megapixels", result.ratio_12mp, result.ms_12mp, result.peer_ms_12mp),
        ("1 megapixel", result.ratio_1mp, result.ms_1mp, result.peer_ms_1mp),
    ):
        beside = f"the peer takes {peer:.1f} ms: {ratio:.1f} times as long" if peer and ratio else "the peer is not installed (make peers)"
        typer.echo(f"JPEG of {name}: {ours:.1f} ms for one hash; {beside}")
    typer.echo(f"at most {result.max_bits} bits from the hash at full size")
    typer.echo(f"all that a lookup asks of 1 megapixel: {result.screen_ms_1mp:.1f} ms")
    typer.echo(f"1080p H.264: {result.video_ratio:.1f} times real time, no gap over {result.video_max_gap_s:.2f} s")
    typer.echo(f"{result.machine}, {result.date}")


@app.command()
def robust(
    pictures: Annotated[int, typer.Option(min=1, help="Originals; each is changed in every way.")] = 30,
    others: Annotated[int, typer.Option(min=0, help="Unrelated pictures in the bank beside them.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the pictures and of all parameters.")] = 1,
    shared: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="A folder with pictures to use too.")] = None,
    as_json: Json = False,
) -> None:
    """What may be done to a banked picture before it is no longer found: our recall and python-threatexchange's."""
    from nightlight.app.bench.robust import run, shared_pictures

    given = shared_pictures([path.read_bytes() for path in sorted(shared.rglob("*original.jpg"))]) if shared else []
    rows = run(pictures, seed, given, others, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(rows)
        return
    table(
        ("TRANSFORMATION", "RECALL", "WITH PARTS", "PEER", "FALSE", "WITH PARTS", "PEER"),
        [(r.transformation, *map(_percent, _shares(r))) for r in rows],
    )


@app.command()
def conversations(
    shared: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="A folder with the public IRC chat.")] = None,
    corpus: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="A checkout of Nightlight.", show_default="the one this runs from")
    ] = None,
    sentinel_weights: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder with the peer's model.", show_default="what a cache here holds"),
    ] = None,
    peer: Annotated[bool, typer.Option("--peer/--no-peer", help="Whether Sentinel's method is measured too; it takes minutes.")] = True,
    as_json: Json = False,
) -> None:
    """Reading conversations for risk, on one core: the whole cascade on a fixed mix, and Sentinel's method on the same messages."""
    from nightlight.app.bench.conversations import run

    result = run(corpus, shared, sentinel_weights, peer, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"{result.messages_per_second:,.0f} messages a second on one core: mean {result.mean_ms:.2f} ms, p99 {result.p99_ms:.1f} ms")
    typer.echo(f"the encoder read {result.encoder_share:.1%} of them; detectors: {', '.join(result.detectors)}")
    typer.echo(f"first message answered {result.first_message_s:.2f} s after the start of a process")
    if result.ratio_to_sentinel is None or result.sentinel_ms is None or result.sentinel_examples is None:
        typer.echo(f"ratio to Sentinel unknown: {result.message}")
    else:
        risky, common = result.sentinel_examples
        typer.echo(
            f"Sentinel's published method, written out with sentence-transformers and the same weights, {risky} risky and {common} common "
            f"lines in its index: {result.sentinel_ms:.1f} ms a message, {result.ratio_to_sentinel:.1f} times as long"
        )
    typer.echo(f"the mix: {result.messages} messages, {result.benign_share:.1%} of harmless conversations")
    for source, count in result.composition.items():
        typer.echo(f"  {count:6} {source}")
    typer.echo(f"{result.machine}, {result.date}; processor time but for the first message")


@app.command()
def console(
    cases: Annotated[int, typer.Option(min=1, help="Cases that wait.")] = 100_000,
    messages: Annotated[int, typer.Option(min=20, help="Lines of the conversation of the case that is opened.")] = 2000,
    requests: Annotated[int, typer.Option(min=1, max=180, help="Of each kind of page.")] = 100,
    as_json: Json = False,
) -> None:
    """Pages of the console over HTTP: the queue of many cases, and a case with a long conversation."""
    from nightlight.app.bench.console import run

    result = run(cases, messages, requests, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"queue of {result.cases:,} cases: p50 {result.queue_p50_ms:.1f} ms, p95 {result.queue_p95_ms:.1f} ms")
    typer.echo(f"overview of them: p95 {result.overview_p95_ms:.1f} ms")
    typer.echo(
        f"case with {result.messages:,} messages: p50 {result.case_p50_ms:.1f} ms, p95 {result.case_p95_ms:.1f} ms, "
        f"{result.case_bytes:,} bytes"
    )
    typer.echo(f"{result.machine}, {result.date}; the client runs on the same cores")


@app.command()
def gates(
    seconds: Annotated[float, typer.Option(min=0.2, help="Length of each of the three loads.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Who may reach whom: decisions a second in the library on one core, and batches of 50 over HTTP to a real service."""
    from nightlight.app.bench.gates import run

    result = run(seconds, progress=lambda step: typer.echo(f"... {step}", err=True))
    if as_json:
        emit(result)
        return
    typer.echo(f"{result.library_per_second:,.0f} decisions a second on one core in the library, over the store, in batches of 50")
    typer.echo(f"{result.table_per_second:,.0f} by the table alone")
    typer.echo(f"a batch of 50 over HTTP: p50 {result.http_p50_ms:.1f} ms, p99 {result.http_p99_ms:.1f} ms, {result.batches} batches")
    if result.service_cpu_ms is not None:
        typer.echo(f"processor time of the service: {result.service_cpu_ms:.1f} ms a batch")
    typer.echo(f"{result.machine}, {result.date}; the client runs on the same cores")


def _shares(row: Any) -> tuple[float | None, ...]:
    found = row.recall, row.recall_with_derived, row.peer_recall
    return *found, row.false_matches, row.false_matches_with_derived, row.peer_false_matches


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
