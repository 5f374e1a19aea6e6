"""Lists every distribution of this Python environment with its licence, one a line, tab-separated.

Run in the image's build, so that the list in the image tells exactly what the image holds.
"""

from __future__ import annotations

from importlib.metadata import Distribution, distributions

CLASSIFIER = "License :: "
LONGEST = 80
LICENSE_FILES = {"LICENSE", "LICENCE", "COPYING"}
MIT = "MIT License"
# How that licence's text begins, where it has no title.
MIT_TEXT = "Permission is hereby granted, free of charge, to any person obtaining a"


def license_of(distribution: Distribution) -> str:
    """The SPDX expression, else the classifiers, a short `License` field, the licence file."""
    metadata = distribution.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in metadata.get_all("Classifier") or []
        if text.startswith(CLASSIFIER) and not text.endswith("OSI Approved")
    ]
    if classifiers:
        return " AND ".join(classifiers)
    text = metadata["License"].strip() if "License" in metadata else ""
    return text if text and len(text) <= LONGEST and "\n" not in text else title_of(distribution)


def title_of(distribution: Distribution) -> str:
    """The first line of the licence file that the distribution carries, else "unknown"."""
    for path in distribution.files or ():
        if path.stem.upper() in LICENSE_FILES and (text := path.read_text().strip()):
            title = text.splitlines()[0].strip()
            return MIT if title.startswith("Copyright") and MIT_TEXT in text else title
    return "unknown"


def main() -> None:
    """Print the list, sorted by name."""
    rows = {
        (each.metadata["Name"].lower(), each.version): license_of(each) for each in distributions()
    }
    print("# Python distributions in this image: name, version, licence.")
    print("# The licences' texts: /opt/alert-engine/lib/python3*/site-packages/*.dist-info/")
    for (name, version), text in sorted(rows.items()):
        print(name, version, text, sep="\t")


if __name__ == "__main__":
    main()
