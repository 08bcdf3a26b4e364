package simulator

import (
	"fmt"
	"slices"
	"strconv"
)

// maxSOAPObjects is the most objects one SOAP call may carry.
const maxSOAPObjects = 100

func badParameter(message string) *fault {
	return &fault{code: "20110", message: "Bad parameter: " + message}
}

// syncCustomObjects: objTypeName, customObjList, operation? in this order.
func (p *soapParser) syncCustomObjects() *fault {
	p.req.operation = opSync
	if f := p.objectType(); f != nil {
		return f
	}
	if f := p.into("", "customObjList"); f != nil {
		return f
	}
	places, f := p.places("customObj", p.customObj)
	if f != nil {
		return f
	}
	mode, f := p.optional("operation")
	if f != nil {
		return f
	}
	if mode == "" {
		mode = modeUpsert
	}
	if !slices.Contains([]string{modeUpsert, modeInsert, modeUpdate}, mode) {
		return badParameter("operation " + mode)
	}
	p.req.mode = mode
	if f := p.leave(); f != nil {
		return f
	}
	return p.writes(places)
}

// deleteCustomObjects: objTypeName, customObjKeyLists of keyList.
func (p *soapParser) deleteCustomObjects() *fault {
	p.req.operation, p.req.mode = opDelete, modeDelete
	if f := p.objectType(); f != nil {
		return f
	}
	if f := p.into("", "customObjKeyLists"); f != nil {
		return f
	}
	places, f := p.places("keyList", func() (place [3]int, f *fault) {
		place[0] = len(p.flat)
		f = p.attributes()
		place[1], place[2] = len(p.flat), len(p.flat)
		return place, f
	})
	if f != nil {
		return f
	}
	if f := p.leave(); f != nil {
		return f
	}
	return p.writes(places)
}

func (p *soapParser) objectType() *fault {
	name, f := p.required("objTypeName")
	if f == nil && name == "" {
		f = &fault{code: "20109", message: "Parameter required: objTypeName"}
	}
	p.req.typeName = name
	return f
}

// places reads a list of elements up to the end of the list. A place says
// where in p.flat the keys and the attributes of an object are.
func (p *soapParser) places(local string, read func() ([3]int, *fault)) ([][3]int, *fault) {
	var places [][3]int
	for {
		found, f := p.at("", local)
		if f != nil {
			return nil, f
		}
		if !found {
			return places, p.leave()
		}
		if f := p.into("", local); f != nil {
			return nil, f
		}
		place, f := read()
		if f != nil {
			return nil, f
		}
		places = append(places, place)
	}
}

func (p *soapParser) customObj() (place [3]int, f *fault) {
	place[0] = len(p.flat)
	for i, list := range [...]string{"customObjKeyList", "customObjAttributeList"} {
		found, f := p.at("", list)
		if f != nil {
			return place, f
		}
		if found {
			if _, f := p.enter("", list); f != nil {
				return place, f
			}
			if f := p.attributes(); f != nil {
				return place, f
			}
		}
		place[i+1] = len(p.flat)
	}
	return place, p.leave()
}

// attributes reads an ArrayOfAttribute that was entered, to its end.
func (p *soapParser) attributes() *fault {
	for {
		found, f := p.at("", "attribute")
		if f != nil {
			return f
		}
		if !found {
			return p.leave()
		}
		if f := p.into("", "attribute"); f != nil {
			return f
		}
		name, f := p.required("attrName")
		if f != nil {
			return f
		}
		if _, f := p.optional("attrType"); f != nil {
			return f
		}
		value, f := p.required("attrValue")
		if f != nil {
			return f
		}
		if f := p.leave(); f != nil {
			return f
		}
		p.flat = append(p.flat, attribute{name: name, value: value})
	}
}

// writes makes the objects of the request from their places and finds their
// type. What Marketo says to an empty list is not documented; it is refused.
func (p *soapParser) writes(places [][3]int) *fault {
	p.req.objects = make([]object, len(places))
	for i, place := range places {
		p.req.objects[i] = object{keys: p.flat[place[0]:place[1]], attributes: p.flat[place[1]:place[2]]}
	}
	if len(places) == 0 {
		return &fault{code: "20109", message: "Parameter required: the list of objects is empty"}
	}
	if len(places) > maxSOAPObjects {
		f := badParameter(fmt.Sprintf("%d objects in one call, %d are allowed", len(places), maxSOAPObjects))
		f.violation = ViolationSize
		return f
	}
	var dedupe []string
	for _, key := range p.req.objects[0].keys {
		dedupe = append(dedupe, key.name)
	}
	p.req.table = p.sim.store.learn(p.req.typeName, dedupe)
	if p.req.table == nil {
		return badParameter("unknown object type " + p.req.typeName)
	}
	return nil
}

// getCustomObjects: objTypeName, streamPosition?, batchSize?,
// customObjKeyList?, includeAttributes.
func (p *soapParser) getCustomObjects() *fault {
	p.req.operation = opGet
	if f := p.objectType(); f != nil {
		return f
	}
	q := &soapQuery{size: maxSOAPObjects}
	position, f := p.optional("streamPosition")
	if f != nil {
		return f
	}
	q.position = position
	size, f := p.optional("batchSize")
	if f != nil {
		return f
	}
	if size != "" {
		number, err := strconv.Atoi(size)
		if err != nil || number < 1 || number > 1000 {
			return badParameter("batchSize")
		}
		q.size = number
	}
	found, f := p.at("", "customObjKeyList")
	if f != nil {
		return f
	}
	if found {
		if _, f := p.enter("", "customObjKeyList"); f != nil {
			return f
		}
		if f := p.attributes(); f != nil {
			return f
		}
	}
	q.filter = p.flat
	if q.include, f = p.strings("includeAttributes"); f != nil {
		return f
	}
	if f := p.leave(); f != nil {
		return f
	}
	if q.table = p.sim.store.find(p.req.typeName); q.table == nil {
		return badParameter("unknown object type " + p.req.typeName)
	}
	p.req.read = q.run
	return nil
}

// strings reads an ArrayOfString.
func (p *soapParser) strings(local string) ([]string, *fault) {
	if f := p.into("", local); f != nil {
		return nil, f
	}
	var items []string
	for {
		found, f := p.at("", "stringItem")
		if f != nil {
			return nil, f
		}
		if !found {
			return items, p.leave()
		}
		item, f := p.required("stringItem")
		if f != nil {
			return nil, f
		}
		items = append(items, item)
	}
}

// listMObjects takes nothing.
func (p *soapParser) listMObjects() *fault {
	p.req.operation = opList
	p.req.read = p.sim.listMObjects
	return p.leave()
}

// describeMObject: objectName.
func (p *soapParser) describeMObject() *fault {
	p.req.operation = opDescribe
	name, f := p.required("objectName")
	if f != nil {
		return f
	}
	p.req.typeName = name
	t := p.sim.store.find(name)
	if f := p.leave(); f != nil {
		return f
	}
	if t == nil {
		return badParameter("unknown object type " + name)
	}
	p.req.read = t.describeMObject
	return nil
}
