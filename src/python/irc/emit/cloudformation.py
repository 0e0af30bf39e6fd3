"""``template.yaml``: an agent's function for AWS CloudFormation.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-function.html
"""

from typing import Any

from irc.emit.documents import variable_text, yaml_document
from irc.oci.conventions import PYTHON
from irc.quantities import parse_quantity

#: `aws cloudformation package` uploads it, and puts its place in S3 here.
ZIP = "lambda.zip"

#: Seconds; an API Gateway waits no longer, and the default of 3 s is short of a model's answer.
TIMEOUT_S = 30

DEFAULT_MEMORY_MB = 1024

_POLICY = "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def function_template(
    *, description: str, service: str, handler: str, architecture: str, kserve: dict[str, Any]
) -> str:
    """The template's text.

    Args:
        description: of the flow; may be empty.
        service: the function's name, in DNS form.
        handler: module and name of the handler, as ``flows.support.agent.handler``.
        architecture: ``x86_64`` or ``arm64``.
        kserve: ``deployment.kserve`` of the agent's summary, for variables, secrets and memory.
    """
    variables = {name: variable_text(value) for name, value in kserve["env"].items()}
    for name, secret in kserve["secrets"].items():
        place = f"{secret['secret']}:SecretString:{secret['key']}"
        variables[name] = f"{{{{resolve:secretsmanager:{place}}}}}"
    function: dict[str, Any] = {
        "FunctionName": service,
        "Runtime": f"python{PYTHON}",
        "Handler": handler,
        "Architectures": [architecture],
        "Code": ZIP,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Timeout": TIMEOUT_S,
        "MemorySize": _memory_mb(kserve["resources"]["memory"]),
    }
    if variables:
        function["Environment"] = {"Variables": dict(sorted(variables.items()))}
    assumed = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = {"AssumeRolePolicyDocument": assumed, "ManagedPolicyArns": [{"Fn::Sub": _POLICY}]}
    return yaml_document(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            **({"Description": description} if description else {}),
            "Resources": {
                "Role": {"Type": "AWS::IAM::Role", "Properties": role},
                "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
            },
            "Outputs": {"Function": {"Value": {"Ref": "Function"}}},
        }
    )


def _memory_mb(memory: Any) -> int:
    """Lambda has from 128 MB on, and a processor's share by it."""
    if memory is None:
        return DEFAULT_MEMORY_MB
    return max(128, int(parse_quantity(str(memory)) or 0) // 2**20)
