"""The walk over a blueprint's lists of stages that fills in, counts out and replaces what is no built-in word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from searchspace.blueprint import FIELDS
from searchspace.language import patterns, plugins
from searchspace.language.blocks import Block, bound, declared, unused
from searchspace.language.expressions import fill
from searchspace.language.frames import Frame, Spot
from searchspace.language.limits import MAX_NESTING, MAX_STAGES
from searchspace.language.origins import Origin
from searchspace.language.problems import UNKNOWN, Path, Problem, SpecError, nearest, shown

NESTED = ("stages", "branches")
"""The fields that hold lists of stages."""
MACROS = ("blocks", "defaults")
"""The sections of a blueprint that end with the expansion."""
PASSED = ("repeat", "unscaled")
"""The fields of a word that is not built in which go to the sequence that takes its place."""
_Fields = dict[str, Any]


class Walk:
    """One expansion: `origins` and `problems` grow as it goes; `given` has the places of values that are arguments."""

    def __init__(self, values: Mapping[str, Any], given: Mapping[str, Path]) -> None:
        self.values = values
        self.given = given
        self.origins: dict[Path, Origin] = {}
        self.problems: list[Problem] = []
        self._blocks: dict[str, Block] = {}
        self._defaults: Mapping[str, Any] = {}
        self._made = 0

    def blueprint(self, tree: Any) -> Any:
        """The tree of a whole blueprint without its macros."""
        frame = Frame(self.values, given=self.given)
        if not isinstance(tree, Mapping):
            return self._fill(tree, (), self.values, frame)
        if "blocks" in tree:
            self._blocks = declared(tree["blocks"], FIELDS, self.problems)
            wrong = {one.where[:2] for one in self.problems}
            self.problems += (one for one in unused(tree, self._blocks, FIELDS) if one.where not in wrong)
        if "defaults" in tree:
            self._defaults = self._standard(self._fill(tree["defaults"], ("defaults",), self.values, frame))
        return {
            key: self._stages(value, (key,), (key,), frame)
            if key == "stages"
            else self._fill(value, (key,), self.values, frame)
            for key, value in tree.items()
            if key not in MACROS
        }

    def _standard(self, defaults: Any) -> Mapping[str, Any]:
        """The defaults, if they are for fields that words have."""
        if not isinstance(defaults, Mapping):
            if defaults is not UNKNOWN:
                message = f"got {shown(defaults)}; write a mapping from fields to values, such as {{norm: batch}}"
                self.problems.append(Problem(("defaults",), message))
            return {}
        known = sorted(set().union(*FIELDS.values()) - {"block", *NESTED})
        strange = [key for key in defaults if key not in known]
        self.problems += [Problem(("defaults", key), f"unknown field {key!r}{nearest(key, known)}") for key in strange]
        return {key: value for key, value in defaults.items() if key not in strange}

    def _fill(self, tree: Any, where: Path, scope: Mapping[str, Any] | None, frame: Frame) -> Any:
        if scope is None or not isinstance(tree, str | dict | list):
            return tree
        before = len(self.problems)
        filled = fill(tree, scope, where, self.problems)
        if frame.note:
            told = (
                (one.message, frame.blamed(_at(tree, one.where[len(where) :]), one.where))
                for one in self.problems[before:]
            )
            self.problems[before:] = [Problem(origin.path, message + origin.note) for message, origin in told]
        return filled

    def _blame(self, tree: Any, new: Path, old: Path, frame: Frame) -> Path:
        """Notes what of a tree is a block's arguments' doing; the place that it comes from as a whole."""
        if not frame.given:
            return old
        self.origins |= frame.blames(tree, new, old)
        return frame.blamed(tree, old).path

    def _report(self, where: Path, message: str, frame: Frame) -> None:
        self.problems.append(Problem(where, message + frame.note))

    # --- lists of stages ----------------------------------------------------------------------------------------------

    def _stages(self, items: Any, new: Path, old: Path, frame: Frame) -> Any:
        """A list of stages, each item of which may make several; anything else as it is."""
        if not isinstance(items, list):
            text, items = items, self._fill(items, old, frame.values, frame)
            old = self._blame(text, new, old, frame)
            frame = _filled(frame)
        if not isinstance(items, list):
            return items
        made: list[Any] = []
        for index, item in enumerate(items):
            self._item(item, index, made, Spot(new, old), frame)
        return made

    def _item(self, item: Any, index: int, made: list[Any], around: Spot, frame: Frame) -> None:
        """Adds what an item of a list stands for to `made`; `around` is the list's spot."""
        old, scope = frame.at(around.old, index), frame.scope(index)
        if not isinstance(item, dict):
            text, item = item, self._fill(item, old, scope, frame)
            old = self._blame(text, (*around.new, len(made)), old, frame)
            frame, scope = _filled(frame), None
        if not isinstance(item, dict):
            made.append(item)
            return
        if "count" in item or "family" in item:
            self._pattern(item, made, Spot(around.new, old), scope, frame)
            return
        new = (*around.new, len(made))
        if index != len(made) and not frame.whole:
            self.origins[new] = Origin(old, frame.note)
        fields = {key: self._fill(item[key], frame.at(old, key), scope, frame) for key in item if key not in NESTED}
        for key in fields if frame.given else ():
            self._blame(item[key], (*new, key), frame.at(old, key), frame)
        made.append(self._stage(item, fields, Spot(new, old), scope, frame))

    def _stage(self, item: _Fields, fields: _Fields, spot: Spot, scope: Mapping[str, Any] | None, frame: Frame) -> Any:
        """One stage; its own `fields` are filled in, what is nested in the `item` is not."""
        self._made += 1
        if self._made > MAX_STAGES:
            message = f"the blueprint expands to more than {MAX_STAGES:,} stages; shorten its patterns or blocks"
            raise SpecError([Problem(spot.old, message)])
        if len(spot.new) > MAX_NESTING:
            self._report(spot.old, "blocks nest too deep here; use fewer within each other", frame)
            return UNKNOWN
        if "zoo" in fields and "block" not in fields:
            cure = "write zoo: at the top of the blueprint, in place of stages"
            self._report(frame.at(spot.old, "zoo"), f"a network of the zoo is no stage; {cure}", frame)
            return UNKNOWN
        word = fields.get("block")
        if not isinstance(word, str) or word in FIELDS:
            self._take_defaults(item, fields, spot)
            for key in NESTED:
                if key in item:
                    fields[key] = self._nested(item[key], (*spot.new, key), frame.at(spot.old, key), scope, frame)
            return fields
        for key in NESTED:
            if key in item:
                fields[key] = self._fill(item[key], frame.at(spot.old, key), scope, frame)
        if word in self._blocks:
            return self._use(self._blocks[word], fields, spot, frame)
        return self._plug_in(word, fields, spot, frame)

    def _nested(self, value: Any, new: Path, old: Path, scope: Mapping[str, Any] | None, frame: Frame) -> Any:
        """`stages`, or `branches`: a list or a mapping of lists of stages."""
        if new[-1] == "stages":
            return self._stages(value, new, old, frame)
        if not isinstance(value, list | dict):
            text, value = value, self._fill(value, old, scope, frame)
            old = self._blame(text, new, old, frame)
            frame = _filled(frame)
        if isinstance(value, dict):
            return {key: self._stages(one, (*new, key), frame.at(old, key), frame) for key, one in value.items()}
        if isinstance(value, list):
            return [self._stages(one, (*new, key), frame.at(old, key), frame) for key, one in enumerate(value)]
        return value

    def _take_defaults(self, item: _Fields, fields: _Fields, spot: Spot) -> None:
        for key, value in self._defaults.items():
            if key not in item and key not in fields and key in FIELDS.get(str(fields.get("block")), ()):
                fields[key] = value
                self.origins[(*spot.new, key)] = Origin(("defaults", key))

    # --- patterns -----------------------------------------------------------------------------------------------------

    def _pattern(
        self, item: _Fields, made: list[Any], spot: Spot, scope: Mapping[str, Any] | None, frame: Frame
    ) -> None:
        """Adds the stages of a pattern; the spot has the list's new path and the pattern's own place."""
        own = {key: value for key, value in item.items() if key not in ("count", "family")}
        given, total = self._size(item, spot.old, scope, frame)
        if total is None:
            made.append(UNKNOWN)
            return
        for key, value in own.items():
            if isinstance(value, list) and key not in NESTED and (wrong := patterns.short(key, value, total)):
                self._report(frame.at(spot.old, key), wrong, frame)
        for number in range(total):
            one = Spot((*spot.new, len(made)), spot.old)
            if not frame.whole:
                self.origins[one.new] = Origin(spot.old, frame.note)
                self.origins |= {(*one.new, key): Origin((*spot.old, "family"), frame.note) for key in given}
            inner = replace(frame, number=number)
            fields = self._of_one(own, number, total, one, inner) | {key: given[key][number] for key in given}
            made.append(self._stage(own, fields, one, inner.scope(number), inner))

    def _size(
        self, item: _Fields, old: Path, scope: Mapping[str, Any] | None, frame: Frame
    ) -> tuple[dict[str, list[int]], int | None]:
        """The lists that a pattern's family sets, and the number of its stages; None where that cannot be told."""
        if "family" not in item:
            return {}, self._count(item, old, scope, frame)
        given = self._family(item, old, scope, frame)
        return given, len(given["width"]) if given else None

    def _of_one(self, own: _Fields, number: int, total: int, spot: Spot, frame: Frame) -> _Fields:
        """The fields of a pattern's stage: of each list, written or referred to, the value that is this stage's."""
        fields, scope = {}, frame.scope(number)
        for key, value in own.items():
            if key in NESTED:
                continue
            where = frame.at(spot.old, key)
            if isinstance(value, list):
                where = frame.at(where, number)
                if number < len(value) and not frame.whole:
                    self.origins[(*spot.new, key)] = Origin(where, frame.note)
                    self._blame(value[number], (*spot.new, key), where, frame)
                fields[key] = self._fill(patterns.chosen(value, number), where, scope, frame)
                continue
            filled = self._fill(value, where, scope, frame)
            where = self._blame(value, (*spot.new, key), where, frame)
            if isinstance(filled, list) and (wrong := patterns.short(key, filled, total)):
                self._report(where, wrong, frame)
            fields[key] = patterns.chosen(filled, number)
        return fields

    def _count(self, item: _Fields, old: Path, scope: Mapping[str, Any] | None, frame: Frame) -> int | None:
        where = frame.at(old, "count")
        value = self._fill(item["count"], where, scope, frame)
        try:
            return None if value is UNKNOWN else patterns.count(value)
        except ValueError as error:
            self._report(frame.blamed(item["count"], where).path, str(error), frame)
            return None

    def _family(self, item: _Fields, old: Path, scope: Mapping[str, Any] | None, frame: Frame) -> dict[str, list[int]]:
        """The lists that the item's family sets; none where it cannot be read."""
        where = frame.at(old, "family")
        try:
            given = patterns.family(self._fill(item["family"], where, scope, frame)) or {}
            found = patterns.clashes(item, given)
        except SpecError as error:
            given, found, old = {}, list(error.problems), where
        for one in found:
            self._report(frame.at(old, *one.where), one.message, frame)
        return given

    # --- words that are not built in ----------------------------------------------------------------------------------

    def _use(self, block: Block, fields: _Fields, spot: Spot, frame: Frame) -> Any:
        """A use of the blueprint's own word: a sequence of its body."""
        if block.word in frame.inside:
            return self._circle(block.word, spot, frame)
        passed, arguments = _split(fields, block.parameters)
        arguments |= self._judged(block.word, block.required, list(block.parameters), arguments, spot, frame)
        note, at = f" (in block {block.word!r})", ("blocks", block.word)
        given = {} if frame.whole else {name: self._place((*spot.new, name), (*spot.old, name)) for name in fields}
        inside = (*frame.inside, block.word)
        inner = Frame({}, note=note, inside=inside, whole=frame.whole, given=given, use=spot.old)
        found: list[Problem] = []
        values = bound(block.parameters, arguments, self.values, (*at, "parameters"), found)
        for one in found:
            self._report(spot.old if frame.whole else one.where, one.message, inner)
        old = spot.old if frame.whole else (*at, "stages")
        if not frame.whole:
            self.origins[(*spot.new, "stages")] = Origin(old, note)
        stages = self._stages(block.stages, (*spot.new, "stages"), old, replace(inner, values=values))
        return {"block": "sequence", "stages": stages, **passed}

    def _place(self, new: Path, old: Path) -> Path:
        """Where an argument comes from."""
        origin = self.origins.get(new)
        return origin.path if origin else old

    def _plug_in(self, word: str, fields: _Fields, spot: Spot, frame: Frame) -> Any:
        """A use of another package's word: a sequence of what its function returns."""
        if word in frame.inside:
            return self._circle(word, spot, frame)
        try:
            found = plugins.find(word)
            if found is None:
                return self._strange(word, fields, spot, frame)
            passed, arguments = _split(fields, found.parameters)
            known = [*found.parameters, *arguments] if found.open else list(found.parameters)
            arguments |= self._judged(word, found.required, known, arguments, spot, frame)
            if any(value is UNKNOWN for value in arguments.values()):
                return UNKNOWN
            stages = found.stages({key: value for key, value in arguments.items() if key in known})
        except ValueError as error:
            self._report(spot.old, str(error), frame)
            return UNKNOWN
        inner = Frame(None, note=f" (in plug-in {word!r})", inside=(*frame.inside, word), whole=True)
        if not frame.whole:
            self.origins[(*spot.new, "stages")] = Origin(spot.old, inner.note, whole=True)
        made = self._stages(stages, (*spot.new, "stages"), spot.old, inner)
        return {"block": "sequence", "stages": made, **passed}

    def _strange(self, word: str, fields: _Fields, spot: Spot, frame: Frame) -> _Fields:
        """A word that nobody has; where a built-in one is near, or there are no others, the model says so."""
        known = [*self._blocks, *plugins.words(), *FIELDS]
        told = nearest(word, known)
        if len(known) > len(FIELDS) and told != nearest(word, FIELDS):
            self._report(frame.at(spot.old, "block"), f"unknown block {word!r}{told}", frame)
            return fields | {"block": UNKNOWN}
        return fields

    def _circle(self, word: str, spot: Spot, frame: Frame) -> object:
        circle = " -> ".join([*frame.inside[frame.inside.index(word) :], word])
        self._report(frame.at(spot.old, "block"), f"blocks go in a circle: {circle}; take one out of the other", frame)
        return UNKNOWN

    def _judged(
        self, word: str, required: list[str], known: list[str], arguments: _Fields, spot: Spot, frame: Frame
    ) -> _Fields:
        """Reports arguments that the word does not take and those that it misses, and stands in for the latter."""
        strange = [key for key in arguments if key not in known]
        told = {key: f"unknown field {key!r}{nearest(key, [*known, 'repeat'])}" for key in strange}
        for key, message in told.items():
            self._report(frame.at(spot.old, key), message, frame)
        missing = [key for key in required if key not in arguments]
        hidden = [key for key in missing if any(f"did you mean {key!r}?" in message for message in told.values())]
        if wanted := [repr(key) for key in missing if key not in hidden]:
            cure = "add it" if len(wanted) == 1 else "add them"
            self._report(spot.old, f"block {word!r} needs {' and '.join(wanted)}; {cure}", frame)
        return dict.fromkeys(missing, UNKNOWN)


def _filled(frame: Frame) -> Frame:
    """The frame of what came out of a variable, which is not looked into again."""
    return replace(frame, values=None, given={})


def _at(tree: Any, where: Path) -> Any:
    for part in where:
        tree = tree[part]
    return tree


def _split(fields: _Fields, parameters: Mapping[str, Any]) -> tuple[_Fields, _Fields]:
    """What a use passes on to its sequence, and the arguments of its word."""
    passed = {key: value for key, value in fields.items() if key in PASSED and key not in parameters}
    return passed, {key: value for key, value in fields.items() if key not in passed and key != "block"}
