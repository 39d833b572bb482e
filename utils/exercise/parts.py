"""What many exercises share: naming the fault of each of several runs, and formulas that mistakes are made of."""

import pprint

import numpy as np

from utils.exercise.expect import NotAttempted, Wrong


class Diagnosis:
    """A bug hunt: name the fault of each run, every fault once; mix it into an Exercise, before it.

    class Diagnose(exercise.Diagnosis, exercise.Exercise):
        faults = {"P": "not shuffled", "Q": "rate too high"}         # the right answer
        symptoms = {"P": "P repeats itself: why?", "Q": "Q rises"}   # asked in this order where the answer is wrong
    """

    answer_kind = "value"
    faults: dict = {}
    symptoms: dict = {}

    def test(self, answer):
        """The keys, the names of the faults, each once; then the symptom of the first run that is wrong."""
        if answer is ... or (isinstance(answer, dict) and any(v is ... for v in answer.values())):
            raise NotAttempted
        self.expect_type(answer, dict)
        names, known = sorted(self.faults), sorted(self.faults.values())
        if set(answer) != set(names):
            raise Wrong(f"The keys are {', '.join(map(repr, names))}; yours are {sorted(map(str, answer))}.")
        unknown = [v for v in answer.values() if v not in known]
        if unknown:
            raise Wrong(f"{unknown[0]!r} is none of the names: {', '.join(map(repr, known))}.")
        if len(set(answer.values())) < len(known):
            raise Wrong("Each name occurs exactly once; one of yours stands there twice.")
        for name, words in self.symptoms.items():
            if answer[name] != self.faults[name]:
                raise Wrong(words)

    @classmethod
    def reference(cls):
        """The right answer, a copy."""
        return dict(cls.faults)

    @classmethod
    def solution_code(cls):
        """The right answer as code."""
        name = cls.answer_name or "answer"
        return [f"{name} = {pprint.pformat(cls.reference(), sort_dicts=False)}"]

    @classmethod
    def swapped(cls, a, b):
        """The right answer with the faults of two runs exchanged: a typical mistake."""
        return cls.faults | {a: cls.faults[b], b: cls.faults[a]}


def softmax(scores, axis=-1):
    """Shares over an axis: exp(scores) divided by their sum; same shape."""
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(scores, axis=-1):
    """Logarithms of the shares over an axis, without overflow; same shape."""
    shifted = scores - scores.max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def sigmoid(z):
    """1 / (1 + exp(-z)), without overflow; same shape."""
    return np.exp(-np.logaddexp(0, -z))
