"""The repeats are identical: a function that stands in several lessons has one text in all of them."""
import ast

from conftest import CHAR, LANGUAGE, LESSONS, ROOT

SHARED = {  # who must have it -> names
    tuple(LESSONS): """BadInput cross_entropy clip_gradients save restore load keep command_line command
        read_text""".split(),
    tuple(LANGUAGE): """read_data fit windows readout evaluate sample pick plot_losses train main""".split(),
    tuple(CHAR): """tokenize detokenize build_vocab encode encode_held_out check_prompt Adam score
        print_baseline new_params gradient_by_lag plot_lags""".split(),
    ("char_lstm", "char_gru"): ["sigmoid", "plot_heat"],
}
OWN = {"init_params", "init_state", "step", "step_backward", "forward", "backward", "draw"}
LEVELS = [set(CHAR), {n for n in LESSONS if n.startswith("word")},
          {n for n in LESSONS if n in ("seq2seq", "bahdanau", "luong")}]
PER_LEVEL = {"tokenize", "detokenize", "build_vocab", "encode", "encode_held_out", "check_prompt", "Adam",
             "score", "print_baseline", "new_params"}


def definitions(name):
    """Top-level functions and classes of a lesson -> name: text, decorators and comments included."""
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1:node.end_lineno])
    return found


TEXTS = {name: definitions(name) for name in LESSONS}


def test_what_must_be_shared_is():
    for lessons, names in SHARED.items():
        for name in names:
            assert {lesson for lesson in lessons if name not in TEXTS[lesson]} == set(), name


def test_one_name_has_one_text():
    names = {name for texts in TEXTS.values() for name in texts} - OWN
    for name in sorted(names):
        groups = LEVELS if name in PER_LEVEL else [set(LESSONS)]
        for group in groups:
            texts = {TEXTS[lesson][name] for lesson in group if name in TEXTS[lesson]}
            assert len(texts) <= 1, f"{name} has {len(texts)} texts"


def test_the_skeleton_is_the_same():
    """Section rules, in order, the same in every lesson."""
    def rules(name):
        source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
        return [line for line in source.splitlines() if line.startswith("# %% ")]
    assert rules("char_rnn")[1][:10] == "# %% 1. Da" and len(rules("char_rnn")) == 9
    assert len({tuple(rules(name)) for name in LESSONS}) == 1


def test_no_lesson_imports_another():
    for name in LESSONS:
        tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
        roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                 for alias in node.names}
        roots |= {node.module.split(".")[0] for node in ast.walk(tree)
                  if isinstance(node, ast.ImportFrom)}
        assert not roots & set(LESSONS) and "numpy" in roots
