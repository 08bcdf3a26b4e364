package config

// shape is a JSON Schema (draft 7, which editors know best) of what a value may
// be. It is for completion and for mistakes shown while typing; Load decides,
// and finds more.
type shape map[string]any

// anyText is a text. What must be right about it is left to Load.
var anyText = shape{"type": "string"}

// fromVariable is a text with ${NAME} in it, which may stand for any value that is
// no section.
var fromVariable = shape{"type": "string", "pattern": `\$\{`}

// constants are what a field may get for every row.
var constants = shape{"type": []string{"string", "number", "boolean", "null"}}

// oneOrMore is a text, or a list of several.
var oneOrMore = shape{"anyOf": []shape{anyText, {"type": "array", "items": anyText, "minItems": 1, "uniqueItems": true}}}

var truth = shape{"anyOf": []shape{{"type": "boolean"}, {"enum": []string{"true", "false"}}, fromVariable}}

var durations = shape{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$|^0$|\$\{`}

var sizes = shape{"anyOf": []shape{{"type": "integer", "minimum": 0}, {"type": "string", "pattern": `^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$|\$\{`}}}

func wholeNumbers(least, most int) shape {
	return shape{"anyOf": []shape{{"type": "integer", "minimum": least, "maximum": most}, fromVariable}}
}

func numbers(least, most float64) shape {
	return shape{"anyOf": []shape{{"type": "number", "minimum": least, "maximum": most}, fromVariable}}
}

func words(allowed ...string) shape {
	return shape{"anyOf": []shape{{"enum": allowed}, fromVariable}}
}

// several is a list; of the sections below it where of is nil.
func several(of shape) shape {
	if of == nil {
		return shape{"type": "array"}
	}
	return shape{"type": "array", "items": of}
}

// named is a section of names that the user chooses.
func named(of shape) shape {
	return shape{"type": "object", "additionalProperties": of}
}
