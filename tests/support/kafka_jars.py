"""The jars of a real Apache Kafka: fetched once from Maven Central, pinned by `kafka_pom.xml`."""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("kafka_pom.xml")
CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_SECONDS = 600
# Kafka 4 servers need Java 17.
OLDEST_JAVA = 17


class KafkaUnavailableError(Exception):
    """No real Kafka can be had here; the text says why."""


def libraries() -> Path:
    """Where this pom's jars lie once they are fetched."""
    return CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def missing_tool() -> str:
    """Why Kafka can't be fetched and started, or an empty string."""
    java = shutil.which("java")
    if java is None:
        return "no java"
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return f"java {version[1] if version else '?'} is older than {OLDEST_JAVA}"
    if not libraries().is_dir() and shutil.which("mvn") is None:
        return "no mvn to fetch it with"
    return ""


def fetch() -> Path:
    """The folder of jars, fetched if need be; KafkaUnavailableError when that fails.

    Maven compares each download with its published checksum and stops at a difference.
    """
    if reason := missing_tool():
        raise KafkaUnavailableError(reason)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libraries().is_dir():
            _fetch_into(libraries())
    return libraries()


def _fetch_into(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        jars = Path(scratch) / "jars"
        command = ["mvn", "-q", "-B", "--strict-checksums", "-f", str(POM), COPY_GOAL]
        try:
            subprocess.run(
                [*command, f"-DoutputDirectory={jars}"],
                capture_output=True,
                text=True,
                check=True,
                timeout=FETCH_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            raise KafkaUnavailableError(f"mvn failed: {error.stdout[-500:]}") from error
        except subprocess.TimeoutExpired as error:
            raise KafkaUnavailableError(f"mvn took more than {FETCH_SECONDS} s") from error
        jars.rename(folder)
