"""What every exercise must keep, as pure functions: class -> list of findings (sentences)."""

import mutants


def lacks(cls):
    """What an exercise still lacks: list of sentences, empty if it is complete."""
    wanted = {
        "a statement (docstring)": len(cls().statement()) > 20,
        "difficulty 1, 2 or 3": cls.difficulty in (1, 2, 3),
        "minutes between 1 and 120": 1 <= cls.minutes <= 120,
        "a framework": cls.framework in ("numpy", "torch", "keras", "either"),
        "at least two hints": len(cls.hints) >= 2 and all(isinstance(h, str) and h for h in cls.hints),
        "a why": len(cls.why) > 10,
        "a reference": len(cls.solutions()) >= 1,
        "at least three mistakes": len(cls.wrong_answers()) >= 3,
        "words for each mistake": all(len(mistake.words) > 2 for mistake in cls.wrong_answers()),
    }
    return [f"{cls.__name__} lacks {what}" for what, there in wanted.items() if not there]


def wrong_feedback(cls):
    """The mistakes that the check accepts or answers in other words: list of sentences."""
    found = []
    for i, mistake in enumerate(cls.wrong_answers()):
        result = cls().check(mistake.answer)
        if result.status != "wrong" or mistake.words not in result.message:
            found.append(f"mistake {i}: {result.status}, {result.message!r} instead of {mistake.words!r}")
    return found


def accepted_mutants(cls):
    """The mutants of the solution that the check takes for right: list of names."""
    found = []
    for mutant in mutants.wrong(cls):
        result = cls().check(mutant.answer)
        if result and mutant.acted:
            found.append(mutant.name)
    return found


def refused_equivalents(cls):
    """The right answers, written differently, that the check refuses: list of sentences."""
    found = []
    for equivalent in mutants.right(cls):
        result = cls().check(equivalent.answer)
        if not result:
            found.append(f"{equivalent.name}: {result.message}")
    return found
