"""The repeats are identical: a function that stands in several lessons has one text in all of them."""
import ast

from conftest import CHAR, LANGUAGE, LESSONS, ROOT, TRANSLATION, WORD

SHARED = {  # who must have it -> names
    tuple(LESSONS): """BadInput read_text tanh_slope cross_entropy clip_gradients save restore load check_finite
        command_line command""",
    tuple(LANGUAGE): "read_data windows readout evaluate sample pick plot_losses train main",
    tuple(CHAR): """tokenize detokenize build_vocab encode encode_held_out check_prompt Adam score
        print_baseline new_params gradient_by_lag plot_lags""",
    tuple(WORD): """tokenize detokenize build_vocab encode encode_held_out check_prompt Adam sum_rows score
        print_baseline new_params content_words neighbours plot_words draw""",
    tuple(TRANSLATION): """cut_word tokenize read_pairs read_data build_vocab encode_pairs pad batches sum_rows Adam
        beam_search translate_ids check_prompt translate bleu evaluate measure by_length
        plot_learning train print_samples main""",
    tuple(WORD + TRANSLATION): "Adam sum_rows",
    ("bahdanau", "luong"): "forced_attention alignment_error read_links print_alignment plot_alignment draw",
    ("seq2seq", "bahdanau"): "recurrent_gradient",
    tuple(n for n in LESSONS if n not in ("char_rnn", "word_rnn")): "sigmoid sigmoid_slope",
}
OWN = {"init_params", "init_state", "look_up", "step", "step_backward", "forward", "backward", "draw"}
# In the translation lessons the encoder, the readout and one decoder step belong to the model too.
OWN_TRANSLATION = OWN | {"encode", "encode_backward", "readout", "readout_backward", "attend", "attend_backward",
                         "start", "predict"}
LEVELS = [set(CHAR), set(WORD), set(TRANSLATION)]
# One name, the same purpose, but other data: a text per level.
PER_LEVEL = {"tokenize", "detokenize", "build_vocab", "encode", "encode_held_out", "check_prompt", "Adam",
             "score", "print_baseline", "new_params", "read_data", "evaluate", "train", "main"}


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
        for name in names.split():
            assert {lesson for lesson in lessons if name not in TEXTS[lesson]} == set(), name
            assert len({TEXTS[lesson][name] for lesson in lessons}) == 1, name


def test_one_name_has_one_text():
    for name in sorted({name for texts in TEXTS.values() for name in texts} - OWN):
        for group in LEVELS if name in PER_LEVEL else [set(LESSONS)]:
            texts = {TEXTS[lesson][name] for lesson in group if name in TEXTS[lesson]
                     and not (name in OWN_TRANSLATION and lesson in TRANSLATION)}
            assert len(texts) <= 1, f"{name} has {len(texts)} texts"


def test_the_skeleton_is_the_same():
    """Section rules, in order, the same in every lesson."""
    def rules(name):
        source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
        return [line for line in source.splitlines() if line.startswith("# %% ")]
    assert rules("char_rnn")[1][:10] == "# %% 1. Da" and len(rules("char_rnn")) == 9
    for level in (LANGUAGE, TRANSLATION):
        assert len({tuple(rules(name)) for name in level}) == 1
    numbers = {tuple(line[:7] for line in rules(name)) for name in LESSONS}
    assert len(numbers) == 1


def test_no_lesson_imports_another():
    for name in LESSONS:
        tree = ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8"))
        roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
                 for alias in node.names}
        roots |= {node.module.split(".")[0] for node in ast.walk(tree)
                  if isinstance(node, ast.ImportFrom)}
        assert not roots & set(LESSONS) and "numpy" in roots
