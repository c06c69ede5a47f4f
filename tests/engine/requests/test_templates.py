"""Bodies by a user's template: what is filled in, and what is wrong with a template is known before the first request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.requests.shapes import ModelCalls
from replay.engine.requests.templates import Call, Template
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.sending import Shape
from replay.trace.types import LlmCall

TEXT = """{"inputs": "{{prompt}}", "for": "{{ model }}/{{session}}/{{step}}",
 "parameters": {"max_new_tokens": {{output_tokens}}, "of": {{input_tokens}}}, "stream": {{stream}}}"""


def written(folder, text):
    path = folder / "body.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_call_is_filled_in(tmp_path):
    shape = Shape(kind="template", template=str(written(tmp_path, TEXT)), path="/ask/{model}", model='m"1')
    calls = ModelCalls(shape)
    call = LlmCall(3, 7, stream=True)
    body = json.loads(calls.body(call, "s\n1", "a"))

    assert calls.path(call) == "/ask/m%221"
    assert len(body.pop("inputs").split()) == 3
    assert body == {
        "for": 'm"1/s\n1/a',
        "parameters": {"max_new_tokens": 7, "of": 3},
        "stream": True,
    }


def test_the_prompt_is_that_of_every_other_shape(tmp_path):
    call = LlmCall(40, 7, prefix=(1, 2), prefix_block_tokens=16)
    path = written(tmp_path, '{"p":"{{prompt}}"}')
    templated = ModelCalls(Shape(kind="template", template=str(path), path="/")).body(call, "s", "a")
    other = ModelCalls(Shape()).body(call, "s", "a")

    assert json.loads(templated)["p"] == json.loads(other)["messages"][0]["content"]


@given(st.text(), st.text(), st.text())
def test_any_names_make_json(tmp_path_factory, model, session, step):
    path = written(tmp_path_factory.mktemp("t"), TEXT)
    body = Template(path).filled(Call(b" a", 1, 1, False, model, session, step))

    assert json.loads(body)["for"] == f"{model}/{session}/{step}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": "{{promt}}"}', "{{promt}} stands for nothing. Did you mean {{prompt}}?"),
        ('{"a": "{{xyz}}"}', "{{xyz}} stands for nothing. Known are: prompt, input_tokens"),
        ('{"a": {{prompt}}}', "makes no JSON once it is filled in"),
        ('{"a": {{model}}}', "makes no JSON once it is filled in"),
        ("", "makes no JSON once it is filled in"),
        (b"\xff", "makes no JSON once it is filled in"),
        (b" " * ((1 << 20) + 1), "is longer than"),
    ],
)
def test_what_cannot_be_a_template_is_told(tmp_path, text, why):
    path = written(tmp_path, text)

    with pytest.raises(TargetError) as refused:
        Template(path)

    assert str(refused.value).startswith(f"template {path}")
    assert why in str(refused.value)


def test_a_template_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TargetError, match=r"under \[shape\] cannot be read: No such file"):
        Template(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("written_as", "why"),
    [
        ('kind = "template"\npath = "/"', 'template goes with kind = "template"'),
        ('template = "t.json"', 'template goes with kind = "template"'),
        ('kind = "template"\ntemplate = "t.json"', "needs the path at which models are asked"),
        (
            'kind = "template"\ntemplate = "t.json"\npath = "/"\nignore_eos = true',
            "ignore_eos belongs in the template",
        ),
        ('kind = "gemini-generate"\nignore_eos = true', "ignore_eos is nothing that can be asked for"),
        ('kind = "openai-chatt"', 'Did you mean "openai-chat"'),
    ],
)
def test_a_shape_that_cannot_be_meant_is_refused(tmp_path, written_as, why):
    path = tmp_path / "t.toml"
    path.write_text(f'url = "http://a"\n[shape]\n{written_as}\n')

    with pytest.raises(TargetError) as refused:
        load_target(str(path))

    assert why in str(refused.value)
