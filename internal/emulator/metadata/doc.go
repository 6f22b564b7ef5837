// Package metadata is the metadata of an emulated org: every type of the Metadata API is stored and
// given back. Deployments and retrieves are asynchronous jobs; deployments wait for each other.
//
// A deploy is one transaction. Each component succeeds or fails for itself; when one fails and
// rollbackOnError is set, nothing of the deploy remains. What the engine knows (objects, fields, record
// types, value sets, rules, custom metadata records, installed packages) changes what describes and
// writes do; layouts, compact layouts and list views are described as they are deployed and assigned;
// every other component is stored as it came. Apex does not run: its tests pass unless they
// were declared to fail.
//
// A retrieve composes files of components and follows the rules of the platform about wildcards,
// folders, profiles and limits. The files of an installed package are not kept: its components are
// listed, and come back without content.
//
// Sources: Metadata API Developer Guide, the metadata WSDL, API 66, the registry of
// source-deploy-retrieve, and public deploy results. Texts whose source is not named beside them are
// unverified.
package metadata
