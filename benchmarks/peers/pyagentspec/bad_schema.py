from pyagentspec.flows.flowbuilder import FlowBuilder
from pyagentspec.flows.nodes import ToolNode
from pyagentspec.property import Property, StringProperty
from pyagentspec.tools import ServerTool

QUERY, LOUD = (StringProperty(title=title) for title in ("query", "loud"))
TEXT = Property(json_schema={"title": "text", "type": "strng"})  # the defect
shout = ServerTool(name="shout", inputs=[TEXT], outputs=[LOUD])

flow = FlowBuilder()
flow.add_node(ToolNode(name="shout", tool=shout))
flow.set_entry_point("shout", inputs=[QUERY])
flow.set_finish_points("shout", outputs=[LOUD])
flow.add_data_edge("StartNode", "shout", ("query", "text"))
flow.add_data_edge("shout", "EndNode_1", "loud")
flow.build()
