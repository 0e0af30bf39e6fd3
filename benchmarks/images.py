"""What an image takes that irc writes, against one that buildah builds of ``context/`` on the same base.

    ./pants package flows/support:agent && ./pants run benchmarks/images.py

Needs buildah, podman, skopeo and docker-registry, and 10 GB in the temporary folder (``TMPDIR``).
"""

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from growth import FLOWS, growth_rows, manifest_of, say
from report import Row, Target, row, table

from irc.oci.blobs import blob_path, new_blob
from irc.oci.compression import CompressedWriter
from irc.oci.thirdparty import build_third_party
from tests.e2e.classic import Buildah, download_wheels, write_base_images
from tests.e2e.feature_files import load_features
from tests.e2e.repackaging import FLOW, Workshop, add_blobs, small_requirements
from tests.e2e.running import Podman, private_podman, running
from tests.standins.openai_server import OpenAIServer
from tests.standins.openai_wire import Answer

PACKAGE = Path("dist/flows.support/agent")
MODEL = "support"
GREETING = {"text": "It arrives today.", "sentiment": "positive", "escalate": False}
QUESTION = {"user_id": "u1", "session_id": "s1", "query": "Where is my parcel?"}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--package", type=Path, default=PACKAGE, help=f"default: {PACKAGE}")
    parser.add_argument("--first-runs", type=int, default=2, help="of the first image (default: 2)")
    parser.add_argument("--runs", type=int, default=5, help="of the other figures (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="irc-images-", ignore_cleanup_errors=True) as temporary:
        bench = Bench(options.package.resolve(), Path(temporary))
        rows = []
        for line in bench.rows(options.first_runs, options.runs):
            say(f"{line.figure}: {line.median} {line.ratio}".rstrip())
            rows.append(line)
        print(table(rows))


@dataclass
class Bench:
    """Both sides, over one base and one folder of wheels.

    Attributes:
        package: what ``package flows/support:agent`` has written.
        folder: gets everything that is made.
    """

    package: Path
    folder: Path
    workshop: Workshop = field(init=False)

    def rows(self, first_runs: int, runs: int) -> Iterator[Row]:
        """All figures."""
        say("wheels and bases")
        wheels, bases = self.folder / "wheels", self.folder / "bases"
        download_wheels(self.package / "context", wheels)
        write_base_images(self.package, bases)
        self.workshop = Workshop(self.package, self.folder / "workshop")
        with private_podman() as podman:
            buildah = Buildah(podman, bases, wheels)
            yield from self.first_rows(buildah, first_runs)
            yield from self.edit_rows(buildah, runs)
            yield from self.size_rows(buildah)
            yield from self.start_rows(podman, runs)
        say(f"{FLOWS} flows")
        yield from growth_rows(self.workshop, self.folder)

    def first_rows(self, buildah: Buildah, runs: int) -> Iterator[Row]:
        """From wheels on disk to a layout with an image, with nothing of an image kept."""
        ours: list[float] = []
        theirs: list[float] = []
        requirements = self.package / "context/requirements.txt"
        pex_root = self.folder / "pex_root"

        def pex(output: Path) -> None:
            command = [
                *(sys.executable, "-m", "pex", "--no-pypi", f"--find-links={buildah.wheels}"),
                *("--intransitive", f"--requirement={requirements}", "--layout=packed"),
                *("--pre-install-wheels", f"--pex-root={pex_root}", f"--output-file={output}"),
            ]
            path = os.pathsep.join(map(os.path.abspath, sys.path))
            subprocess.run(
                command, env={"PATH": os.environ["PATH"], "PYTHONPATH": path}, check=True
            )

        say("installed wheels, as Pants keeps them")
        pex(self.folder / "warm.pex")
        for number in range(runs):
            say(f"first image, {number + 1} of {runs}: irc")
            place = self.folder / f"first-{number}"
            with timed(ours):
                pex(place / "deps.pex")
                self.workshop.irc(
                    "image", "deps", f"--pex={place / 'deps.pex'}", f"--output-dir={place / 'deps'}"
                )
                made = self.workshop.packaged(place / "package")
                add_blobs(made, place / "deps", buildah.bases / "base")
            say(f"first image, {number + 1} of {runs}: buildah")
            buildah.podman.output("rmi", "--all", "--force")
            with timed(theirs):
                buildah.build(self.package / "context", "localhost/classic")
                buildah.run(
                    "push", "--quiet", "localhost/classic", f"oci:{self.folder / 'classic'}"
                )
            if number < runs - 1:
                shutil.rmtree(self.folder / "classic")
                shutil.rmtree(place)
        yield from pair("first image, wheels at hand", ours, theirs, "s", at_most=1 / 3)

    def edit_rows(self, buildah: Buildah, runs: int) -> Iterator[Row]:
        """From an edited prompt to a layout. The peer is given its context, which irc has compiled."""
        ours: list[float] = []
        theirs: list[float] = []
        our_bytes, their_bytes = [], []
        before = layout_blobs(self.package / "image")
        for number in range(runs):
            say(f"edited prompt, {number + 1} of {runs}")
            with (self.workshop.sources / FLOW / "prompts/answer.j2").open("a") as prompt:
                prompt.write(f"\nEdit {number}.\n")
            edited = self.folder / f"edited-{number}"
            with timed(ours):
                self.workshop.packaged(edited)
                add_blobs(edited, self.package / "image")
            after = layout_blobs(edited / "image")
            our_bytes.append(added_kb(before, after))
            classic = layout_blobs(self.folder / "classic")
            with timed(theirs):
                buildah.build(edited / "context", "localhost/classic")
                buildah.run(
                    "push", "--quiet", "localhost/classic", f"oci:{self.folder / 'classic'}"
                )
            their_bytes.append(added_kb(classic, layout_blobs(self.folder / "classic")))
        yield from pair("edited prompt to image", ours, theirs, "s", at_most=1 / 3)
        yield row(
            "pushed after an edited prompt: irc",
            our_bytes,
            "kB",
            peer=their_bytes,
            target=Target(8),
        )
        yield row("pushed after an edited prompt: buildah", their_bytes, "kB")

    def size_rows(self, buildah: Buildah) -> Iterator[Row]:
        """Compressed layers, and what a changed small distribution moves."""
        theirs = layer_sizes(self.folder / "classic")
        mb, their_mb = sum(layer_sizes(self.package / "image")) / 1e6, sum(theirs) / 1e6
        yield from pair("image, by gzip", [mb], [their_mb], "MB", at_most=0.6)
        say("layers by zstd")
        classic = self.folder / "classic-zstd"
        buildah.run(
            *("push", "--quiet", "--compression-format=zstd", "localhost/classic", f"oci:{classic}")
        )
        mb, their_mb = self.zstd_bytes() / 1e6, sum(layer_sizes(classic)) / 1e6
        yield from pair("image, by zstd", [mb], [their_mb], "MB", at_most=0.6)
        say("a changed small distribution")
        deps = small_requirements(self.package / "agent.pex", self.folder / "small.pex")
        changed, _ = build_third_party(deps, self.folder / "changed")
        small = self.workshop.third_party.layers[-1].layer
        self.workshop.with_layer(small, changed.layers[0].layer)
        relocked = self.workshop.packaged(self.folder / "relocked")
        add_blobs(relocked, self.folder / "changed", self.package / "image")
        kb = added_kb(layout_blobs(self.package / "image"), layout_blobs(relocked / "image"))
        # All requirements are one layer of the peer, its largest.
        yield row(
            "pushed after a changed small distribution: irc",
            [kb],
            "kB",
            peer=[max(theirs) / 1e3],
            target=Target(1000),
        )
        yield row("pushed after a changed small distribution: buildah", [max(theirs) / 1e3], "kB")

    def zstd_bytes(self) -> int:
        """All layers where `image_compression` is zstd: those of code are gzip then, too."""
        *others, code, flow = manifest_of(self.package / "image")["layers"]
        sizes = [code["size"], flow["size"]]
        for layer in others:
            with (
                new_blob(self.folder / "zstd") as blob,
                gzip.open(blob_path(self.package / "image", layer["digest"])) as tar,
            ):
                writer = CompressedWriter(blob, "zstd")
                shutil.copyfileobj(tar, writer)
                writer.close()
            sizes.append(blob.size)
        return sum(sizes)

    def start_rows(self, podman: Podman, runs: int) -> Iterator[Row]:
        """From the start of a container to its first answer, in turn."""
        images = {"irc": podman.pull(self.package / "image"), "buildah": "localhost/classic"}
        seconds: dict[str, list[float]] = {name: [] for name in images}
        features = self.folder / "features"
        features.mkdir()
        load_features(
            "flows/support/data/customers.csv", features, name="customers", version=1, key="user_id"
        )
        with OpenAIServer() as model:
            environment = {
                "OPENAI_API_KEY": "none",
                "OPENAI_BASE_URL": model.base_url,
                "IRC_FEATURES": "sqlite:////features/features.db",
            }
            for number in range(runs + 1):  # the first of each fills the page cache
                say(f"container start, {number} of {runs}")
                for name, image in images.items():
                    model.script(Answer(GREETING))
                    command = podman.run_command(
                        image, name=name, environment=environment, features=features
                    )
                    started = time.perf_counter()
                    with running(
                        command, model=MODEL, environment=podman.environment, folder=self.folder
                    ) as agent:
                        answer = agent.predict(QUESTION)
                        if number > 0:
                            seconds[name].append(time.perf_counter() - started)
                    assert answer.status_code == 200, answer.text
        yield from pair(
            "container start to first answer", seconds["irc"], seconds["buildah"], "s", at_most=1.0
        )


@contextmanager
def timed(runs: list[float]) -> Iterator[None]:
    """Add the seconds that the block takes."""
    started = time.perf_counter()
    yield
    runs.append(time.perf_counter() - started)


def pair(
    figure: str, ours: list[float], theirs: list[float], unit: str, *, at_most: float
) -> Iterator[Row]:
    """A figure of irc with its ratio to buildah's, and buildah's."""
    bound = Target(round(at_most, 3), of_ratio=True)
    yield row(f"{figure}: irc", ours, unit, peer=theirs, target=bound)
    yield row(f"{figure}: buildah", theirs, unit)


def layer_sizes(layout: Path) -> list[int]:
    """Sizes of the layers in bytes, compressed."""
    return [item["size"] for item in manifest_of(layout)["layers"]]


def layout_blobs(layout: Path) -> dict[str, int]:
    """Sizes of blobs in bytes."""
    return {blob.name: blob.stat().st_size for blob in (layout / "blobs/sha256").iterdir()}


def added_kb(before: dict[str, int], after: dict[str, int]) -> float:
    """What a registry that holds one set of blobs lacks of another; manifest and configuration are blobs."""
    return sum(size for name, size in after.items() if name not in before) / 1e3


if __name__ == "__main__":
    main()
