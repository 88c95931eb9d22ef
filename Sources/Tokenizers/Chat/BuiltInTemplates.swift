// Chat templates by name, for models that ship none. Written from the formats' own documentation; the
// tokens for the start and the end of a sequence come from the tokenizer. Formats without a system role
// put its text before the first question. Rendered as transformers renders them: the first newline after
// a tag, and blanks before one, don't count.

extension ChatTemplate {
  /// The names, sorted.
  package static let builtInNames = builtIn.keys.sorted()

  static let builtIn: [String: String] = [
    // https://github.com/openai/openai-python/blob/v0.28.1/chatml.md
    "chatml": #"""
    {% for message in messages %}
    {{ '<|im_start|>' ~ message.role ~ '\n' ~ message.content ~ '<|im_end|>' }}
    {% endfor %}
    {% if add_generation_prompt %}
    {{ '<|im_start|>assistant\n' }}
    {%- endif %}
    """#,

    // https://github.com/meta-llama/llama/blob/main/llama/generation.py
    "llama-2": #"""
    {% set offset = 1 if messages[0].role == 'system' else 0 %}
    {% for message in messages[offset:] %}
    {% if (message.role == 'user') != (loop.index0 % 2 == 0) %}
    {{ raise_exception('Roles must alternate: user, assistant, user, ...') }}
    {% endif %}
    {% if message.role == 'user' %}
    {{- bos_token }}[INST] {% if loop.first and offset -%}
    {{ '<<SYS>>\n' ~ messages[0].content ~ '\n<</SYS>>\n\n' }}
    {%- endif -%}
    {{ message.content | trim ~ ' [/INST]' }}
    {%- else -%}
    {{ ' ' ~ message.content | trim ~ ' ' }}{{ eos_token }}
    {%- endif %}
    {% endfor %}
    """#,

    // https://www.llama.com/docs/model-cards-and-prompt-formats/meta-llama-3
    "llama-3": #"""
    {{ bos_token }}
    {%- for message in messages %}
    {{- '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\n\n' }}
    {{- message.content | trim ~ '<|eot_id|>' }}
    {%- endfor %}
    {% if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
    {%- endif %}
    """#,

    // https://github.com/mistralai/mistral-common: the instruct format of the first tokenizers
    "mistral": #"""
    {% set offset = 1 if messages[0].role == 'system' else 0 %}
    {{ bos_token }}
    {%- for message in messages[offset:] %}
    {% if (message.role == 'user') != (loop.index0 % 2 == 0) %}
    {{ raise_exception('Roles must alternate: user, assistant, user, ...') }}
    {% endif %}
    {% if message.role == 'user' %}
    {{- '[INST] ' }}
    {%- if loop.first and offset -%}
    {{ messages[0].content ~ '\n\n' }}
    {%- endif -%}
    {{ message.content ~ ' [/INST]' }}
    {%- else -%}
    {{ ' ' ~ message.content | trim }}{{ eos_token }}
    {%- endif %}
    {% endfor %}
    """#,

    // https://ai.google.dev/gemma/docs/core/prompt-structure
    "gemma": #"""
    {% set offset = 1 if messages[0].role == 'system' else 0 %}
    {{ bos_token }}
    {%- for message in messages[offset:] %}
    {{- '<start_of_turn>' ~ ('model' if message.role == 'assistant' else message.role) ~ '\n' }}
    {%- if loop.first and offset -%}
    {{ messages[0].content | trim ~ '\n\n' }}
    {%- endif -%}
    {{ message.content | trim ~ '<end_of_turn>\n' }}
    {%- endfor %}
    {% if add_generation_prompt %}
    {{- '<start_of_turn>model\n' }}
    {%- endif %}
    """#,

    // https://huggingface.co/microsoft/Phi-3-mini-4k-instruct#chat-format
    "phi-3": #"""
    {% for message in messages %}
    {{ '<|' ~ message.role ~ '|>\n' ~ message.content ~ '<|end|>' }}
    {% endfor %}
    {% if add_generation_prompt %}
    {{ '<|assistant|>\n' }}
    {%- endif %}
    """#,

    // https://huggingface.co/HuggingFaceH4/zephyr-7b-beta
    "zephyr": #"""
    {% for message in messages %}
    {{ '<|' ~ message.role ~ '|>\n' ~ message.content }}{{ eos_token }}
    {{- '\n' }}
    {%- endfor %}
    {% if add_generation_prompt %}
    {{- '<|assistant|>\n' }}
    {%- endif %}
    """#,

    // https://github.com/lm-sys/FastChat/blob/main/docs/vicuna_weights_version.md: version 1.1
    "vicuna": #"""
    {% set offset = 1 if messages[0].role == 'system' else 0 %}
    {% if offset %}
    {{ messages[0].content }}
    {%- else %}
    {{- 'A chat between a curious user and an artificial intelligence assistant. '
        ~ 'The assistant gives helpful, detailed, and polite answers to the user\'s questions.' }}
    {%- endif %}
    {% for message in messages[offset:] %}
    {% if message.role == 'assistant' %}
    {{- ' ASSISTANT: ' ~ message.content }}{{ eos_token }}
    {%- else %}
    {{- (' ' if loop.first else '') ~ 'USER: ' ~ message.content }}
    {%- endif %}
    {% endfor %}
    {% if add_generation_prompt %}
    {{- ' ASSISTANT:' }}
    {%- endif %}
    """#,

    // https://github.com/tatsu-lab/stanford_alpaca#data-release
    "alpaca": #"""
    {% set offset = 1 if messages[0].role == 'system' else 0 %}
    {% if offset %}
    {{ messages[0].content }}
    {%- else %}
    {{- 'Below is an instruction that describes a task. '
        ~ 'Write a response that appropriately completes the request.' }}
    {%- endif %}
    {% for message in messages[offset:] %}
    {% if message.role == 'assistant' %}
    {{- '\n\n### Response:\n' ~ message.content }}{{ eos_token }}
    {%- else %}
    {{- '\n\n### Instruction:\n' ~ message.content }}
    {%- endif %}
    {% endfor %}
    {% if add_generation_prompt %}
    {{- '\n\n### Response:\n' }}
    {%- endif %}
    """#,

    // https://huggingface.co/deepseek-ai/deepseek-llm-7b-chat#chat-completion
    "deepseek": #"""
    {{ bos_token }}
    {%- for message in messages %}
    {% if message.role == 'user' %}
    {{- 'User: ' ~ message.content ~ '\n\n' }}
    {%- elif message.role == 'assistant' %}
    {{- 'Assistant: ' ~ message.content }}{{ eos_token }}
    {%- else %}
    {{- message.content ~ '\n\n' }}
    {%- endif %}
    {% endfor %}
    {% if add_generation_prompt %}
    {{- 'Assistant:' }}
    {%- endif %}
    """#,

    // https://docs.cohere.com/docs/prompting-command-r
    "command-r": #"""
    {% set names = {'user': 'USER', 'assistant': 'CHATBOT', 'system': 'SYSTEM'} %}
    {{ bos_token }}
    {%- for message in messages %}
    {{- '<|START_OF_TURN_TOKEN|><|' ~ names[message.role] | default('SYSTEM') ~ '_TOKEN|>' }}
    {{- message.content | trim ~ '<|END_OF_TURN_TOKEN|>' }}
    {%- endfor %}
    {% if add_generation_prompt %}
    {{- '<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>' }}
    {%- endif %}
    """#,
  ]
}
